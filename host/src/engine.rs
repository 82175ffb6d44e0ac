//! Runs a waPC guest in wasmi, which interprets it: nothing is compiled to machine code, so the
//! first verdict does not wait for a compiler.
//!
//! | Module | What it holds |
//! |---|---|
//! | `wapc` | what guest and host hand to each other |
//! | `wasi` | the clock, and what else Rust's standard library asks a system for |
//! | `deadline` | when a guest has to be done |
//! | `memory` | the bytes of a guest |

mod deadline;
mod memory;
mod wapc;
mod wasi;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmi::errors::{ErrorKind, LinkerError};
use wasmi::{
    CompilationMode, Config, CustomFuelCosts, Engine, Linker, Module, Store, StoreLimits,
    StoreLimitsBuilder, TypedFunc, TypedResumableCall, WasmParams, WasmResults,
};

use crate::host_capabilities::HostCapabilities;
use deadline::{Deadline, DeadlineExceeded};
use wapc::Conversation;

/// A module that is ready for instances.
pub(crate) struct Guest {
    module: Module,
    linker: Linker<State>,
}

impl Guest {
    /// Reads a module, and sees to it that it imports nothing that there is not.
    ///
    /// # Errors
    ///
    /// What is wrong with the module.
    pub(crate) fn load(bytes: &[u8]) -> Result<Self, String> {
        let engine = Engine::new(&config());
        let module = Module::new(&engine, bytes).map_err(|error| error.to_string())?;
        let mut linker = Linker::new(&engine);
        wapc::link(&mut linker)
            .and_then(|()| wasi::link(&mut linker))
            .map_err(|error| error.to_string())?;
        let guest = Self { module, linker };
        let mut store = guest.store(Conversation::default());
        match guest
            .linker
            .instantiate_and_start(&mut store, &guest.module)
        {
            Ok(_) => Ok(guest),
            Err(error) => Err(not_linked(&error)),
        }
    }

    /// Makes an instance and lets it get ready. `timeout` is for that, and for each call of it.
    ///
    /// # Errors
    ///
    /// [`Failure::InitFailed`] or [`Failure::TimedOut`].
    pub(crate) fn instantiate(
        &self,
        host_capabilities: Arc<dyn HostCapabilities>,
        timeout: Duration,
    ) -> Result<Instance, Failure> {
        let mut store = self.store(Conversation::new(host_capabilities));
        let instance = self
            .linker
            .instantiate_and_start(&mut store, &self.module)
            .map_err(|error| Failure::InitFailed(error.to_string()))?;
        let guest_call = instance
            .get_typed_func(&store, "__guest_call")
            .map_err(|_| Failure::InitFailed(NO_GUEST_CALL.to_owned()))?;
        for start in ["_start", "wapc_init"] {
            let Some(function) = instance.get_func(&store, start) else {
                continue;
            };
            let function = function
                .typed::<(), ()>(&store)
                .map_err(|error| Failure::InitFailed(error.to_string()))?;
            match run(&mut store, function, (), timeout) {
                // The `main` of a guest that TinyGo has built ends with this.
                Ok(()) | Err(Stop::Exit(0)) => {}
                Err(Stop::TimedOut) => return Err(Failure::TimedOut),
                Err(stop) => {
                    return Err(Failure::InitFailed(format!(
                        "Initialization failed: {stop}"
                    )));
                }
            }
        }
        Ok(Instance {
            store,
            guest_call,
            timeout,
        })
    }

    fn store(&self, conversation: Conversation) -> Store<State> {
        let limits = StoreLimitsBuilder::new().memory_size(MAX_MEMORY).build();
        let mut store = Store::new(
            self.linker.engine(),
            State {
                conversation,
                limits,
            },
        );
        store.limiter(|state| &mut state.limits);
        store
    }
}

/// A guest that waits for calls.
pub(crate) struct Instance {
    store: Store<State>,
    guest_call: TypedFunc<(u32, u32), u32>,
    timeout: Duration,
}

impl Instance {
    /// Calls one waPC function.
    ///
    /// # Errors
    ///
    /// [`Failure::GuestCallFailure`] or [`Failure::TimedOut`].
    pub(crate) fn call(&mut self, function: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let length = |bytes: &[u8]| {
            let too_long = |_| Failure::GuestCallFailure("the payload is too long".to_owned());
            u32::try_from(bytes.len()).map_err(too_long)
        };
        let lengths = (length(function.as_bytes())?, length(payload)?);
        self.store.data_mut().conversation.ask(function, payload);
        let succeeded = match run(&mut self.store, self.guest_call, lengths, self.timeout) {
            Ok(succeeded) => succeeded != 0,
            Err(Stop::TimedOut) => return Err(Failure::TimedOut),
            Err(stop) => return Err(Failure::GuestCallFailure(stop.to_string())),
        };
        self.store
            .data_mut()
            .conversation
            .answer(succeeded)
            .map_err(Failure::GuestCallFailure)
    }
}

/// Why a waPC call gave no answer. What the variants are called, and how they read, is what
/// policy-server's library for waPC has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "their names are part of the texts that people know from policy-server"
)]
pub(crate) enum Failure {
    TimedOut,
    InitFailed(String),
    GuestCallFailure(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => write!(formatter, "{DeadlineExceeded}"),
            Self::InitFailed(why) => write!(formatter, "Initialization failed: {why}"),
            Self::GuestCallFailure(why) => write!(formatter, "Guest call failure: {why}"),
        }
    }
}

/// What belongs to one instance.
struct State {
    conversation: Conversation,
    limits: StoreLimits,
}

impl AsMut<Conversation> for State {
    fn as_mut(&mut self) -> &mut Conversation {
        &mut self.conversation
    }
}

/// Why a function of the guest did not come to its end.
enum Stop {
    TimedOut,
    /// It has called WASI's `proc_exit`.
    Exit(i32),
    Trap(String),
}

impl From<&wasmi::Error> for Stop {
    fn from(error: &wasmi::Error) -> Self {
        if error.downcast_ref::<DeadlineExceeded>().is_some() {
            return Self::TimedOut;
        }
        error
            .i32_exit_status()
            .map_or_else(|| Self::Trap(error.to_string()), Self::Exit)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => write!(formatter, "{DeadlineExceeded}"),
            Self::Exit(status) => write!(formatter, "the guest exits with status {status}"),
            Self::Trap(why) => write!(formatter, "error while executing: {why}"),
        }
    }
}

/// Runs a function until it ends or its time is over. wasmi has no clock: the guest gets a little
/// fuel, and each time that it is used up, the time is looked at.
fn run<P: WasmParams, R: WasmResults>(
    store: &mut Store<State>,
    function: TypedFunc<P, R>,
    parameters: P,
    timeout: Duration,
) -> Result<R, Stop> {
    let deadline = Deadline::after(timeout);
    store.data_mut().conversation.deadline = deadline;
    let failed = |error: wasmi::Error| Stop::from(&error);
    store.set_fuel(FUEL).map_err(failed)?;
    let mut call = function
        .call_resumable(&mut *store, parameters)
        .map_err(failed)?;
    loop {
        let paused = match call {
            TypedResumableCall::Finished(results) => return Ok(results),
            TypedResumableCall::HostTrap(trap) => return Err(Stop::from(trap.host_error())),
            TypedResumableCall::OutOfFuel(paused) => paused,
        };
        if deadline.is_over() {
            return Err(Stop::TimedOut);
        }
        // A single instruction may ask for more: one that fills much memory.
        store
            .set_fuel(FUEL.max(paused.required_fuel()))
            .map_err(failed)?;
        call = paused.resume(&mut *store).map_err(failed)?;
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // Translating a function is not the guest's doing, and cannot be paused.
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: 64,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        // Everything is validated at once, and translated when it is called first: a request
        // reaches a third of the policy.
        .compilation_mode(CompilationMode::LazyTranslation)
        // It would run before there is a deadline; policy-server interrupts it at once.
        .allow_start_fn(false)
        .ignore_custom_sections(true)
        .set_max_recursion_depth(MAX_DEPTH)
        .set_max_cached_stacks(MAX_IDLE_STACKS);
    config
}

/// The reason in the words of wasmtime, where the module is to blame for its imports.
fn not_linked(error: &wasmi::Error) -> String {
    match error.kind() {
        ErrorKind::Linker(LinkerError::MissingDefinition { name, .. }) => format!(
            "unknown import: `{}::{}` has not been defined",
            name.module(),
            name.name()
        ),
        _ => error.to_string(),
    }
}

/// Some milliseconds of work.
const FUEL: u64 = 1_000_000;
/// No instance gets more memory, in bytes, however much its module would take. This policy's is
/// linked with a sixteenth of it.
const MAX_MEMORY: usize = 1024 * 1024 * 1024;
/// Calls within calls. Rust's stack, which is in the guest's memory, ends before.
const MAX_DEPTH: usize = 10_000;
/// As many threads judge without a new stack for each request.
const MAX_IDLE_STACKS: usize = 16;
const NO_GUEST_CALL: &str = "Guest call function (__guest_call) not exported by wasm module.";
