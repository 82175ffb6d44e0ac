//! The smallest waPC host that a guest can be measured in.
//!
//! It gives a guest one request and takes its answer; unless it is told otherwise, it denies every
//! host call. The few WASI
//! functions that a guest needs answer the same in every run: a random seed or a clock that differs
//! would make the instruction counts differ. Each WASI function that is not here traps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wasmtime::{Caller, Config, Engine, Extern, InstancePre, Linker, Memory, Module, Store};

/// A module that is compiled and linked, ready for instances.
pub(crate) struct Runner {
    engine: Engine,
    instance_pre: InstancePre<Host>,
    fuel: Fuel,
}

/// Whether the compiled module counts what it runs. Counting costs time, so nothing is timed with
/// it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fuel {
    Counted,
    Free,
}

/// Answers the host calls of a guest: binding, namespace, operation and payload.
pub(crate) type HostCalls =
    dyn Fn(&str, &str, &str, &[u8]) -> Result<Vec<u8>, String> + Send + Sync;

/// One call on an instance of its own.
pub(crate) struct Call {
    pub(crate) answer: Vec<u8>,
    /// Wasmtime's fuel, which is one for an instruction; 0 when it was not counted.
    pub(crate) instructions: u64,
    /// Linear memory at the end, in pages of 64 KiB. It never shrinks, so it's the peak too.
    pub(crate) pages: u64,
    /// From an empty store to the answer: instantiation, `wapc_init` and `validate`.
    pub(crate) elapsed: Duration,
}

impl Runner {
    /// Compiles `wasm` and links it with the host functions.
    pub(crate) fn new(wasm: &[u8], fuel: Fuel) -> Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(fuel == Fuel::Counted);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        link_wapc(&mut linker)?;
        link_wasi(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        let instance_pre = linker.instantiate_pre(&module)?;
        Ok(Self {
            engine,
            instance_pre,
            fuel,
        })
    }

    /// Calls `validate` in a fresh instance, as policy-server does for every request.
    pub(crate) fn validate(&self, payload: &Arc<[u8]>) -> Result<Call> {
        let denied = |_: &str, _: &str, _: &str, _: &[u8]| Err(DENIAL.to_owned());
        self.call("validate", payload, Arc::new(denied))
    }

    /// Calls a waPC function in a fresh instance.
    pub(crate) fn call(
        &self,
        operation: &'static str,
        payload: &Arc<[u8]>,
        host_calls: Arc<HostCalls>,
    ) -> Result<Call> {
        let request_len = i32::try_from(payload.len()).context("the request is too long")?;
        let operation_len = i32::try_from(operation.len()).context("the operation is too long")?;
        let host = Host {
            operation,
            payload: Arc::clone(payload),
            host_calls,
            host_answer: Ok(Vec::new()),
            answer: Vec::new(),
            error: Vec::new(),
        };
        let mut store = Store::new(&self.engine, host);
        if self.fuel == Fuel::Counted {
            store.set_fuel(u64::MAX)?;
        }

        let started = now();
        let instance = self.instance_pre.instantiate(&mut store)?;
        for start in ["_start", "wapc_init"] {
            if let Some(function) = instance.get_func(&mut store, start) {
                function.typed::<(), ()>(&store)?.call(&mut store, ())?;
            }
        }
        let guest_call = instance.get_typed_func::<(i32, i32), i32>(&mut store, "__guest_call")?;
        let succeeded = guest_call.call(&mut store, (operation_len, request_len))?;
        let elapsed = started.elapsed();

        let instructions = match self.fuel {
            Fuel::Counted => u64::MAX.saturating_sub(store.get_fuel()?),
            Fuel::Free => 0,
        };
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("no memory exported")?;
        let pages = memory.size(&store);
        let host = store.into_data();
        if succeeded != 1 {
            bail!("the guest failed: {}", String::from_utf8_lossy(&host.error));
        }
        Ok(Call {
            answer: host.answer,
            instructions,
            pages,
            elapsed,
        })
    }
}

/// The one clock of the bench.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is for the policy; this measures it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What the host functions read and write.
#[expect(
    clippy::struct_field_names,
    reason = "waPC calls them so: a call to the host, and its answer"
)]
struct Host {
    operation: &'static str,
    payload: Arc<[u8]>,
    host_calls: Arc<HostCalls>,
    /// What came of the last host call.
    host_answer: Result<Vec<u8>, String>,
    answer: Vec<u8>,
    error: Vec<u8>,
}

impl Host {
    fn response(&self) -> Vec<u8> {
        self.host_answer.clone().unwrap_or_default()
    }

    fn refusal(&self) -> Vec<u8> {
        self.host_answer
            .clone()
            .err()
            .unwrap_or_default()
            .into_bytes()
    }
}

/// The import module `wapc`: <https://wapc.io/docs/spec/>.
fn link_wapc(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "wapc",
        "__guest_request",
        |mut caller: Caller<'_, Host>, operation: u32, request: u32| {
            let (name, payload) = (caller.data().operation, Arc::clone(&caller.data().payload));
            write(&mut caller, operation, name.as_bytes())?;
            write(&mut caller, request, &payload)
        },
    )?;
    linker.func_wrap(
        "wapc",
        "__guest_response",
        |mut caller: Caller<'_, Host>, pointer: u32, len: u32| {
            caller.data_mut().answer = read(&mut caller, pointer, len)?;
            wasmtime::Result::Ok(())
        },
    )?;
    linker.func_wrap(
        "wapc",
        "__guest_error",
        |mut caller: Caller<'_, Host>, pointer: u32, len: u32| {
            caller.data_mut().error = read(&mut caller, pointer, len)?;
            wasmtime::Result::Ok(())
        },
    )?;
    linker.func_wrap(
        "wapc",
        "__host_call",
        |mut caller: Caller<'_, Host>,
         binding: u32,
         binding_len: u32,
         namespace: u32,
         namespace_len: u32,
         operation: u32,
         operation_len: u32,
         payload: u32,
         payload_len: u32| {
            let mut words = Vec::new();
            for (pointer, len) in [
                (binding, binding_len),
                (namespace, namespace_len),
                (operation, operation_len),
            ] {
                words.push(String::from_utf8(read(&mut caller, pointer, len)?)?);
            }
            let payload = read(&mut caller, payload, payload_len)?;
            let host_calls = Arc::clone(&caller.data().host_calls);
            let answer = match words.as_slice() {
                [binding, namespace, operation] => {
                    host_calls(binding, namespace, operation, &payload)
                }
                _ => Err(DENIAL.to_owned()),
            };
            let succeeded = u32::from(answer.is_ok());
            caller.data_mut().host_answer = answer;
            wasmtime::Result::Ok(succeeded)
        },
    )?;
    linker.func_wrap("wapc", "__host_error_len", |caller: Caller<'_, Host>| {
        wasmtime::Result::Ok(u32::try_from(caller.data().refusal().len())?)
    })?;
    linker.func_wrap(
        "wapc",
        "__host_error",
        |mut caller: Caller<'_, Host>, pointer: u32| {
            let refusal = caller.data().refusal();
            write(&mut caller, pointer, &refusal)
        },
    )?;
    linker.func_wrap("wapc", "__host_response_len", |caller: Caller<'_, Host>| {
        wasmtime::Result::Ok(u32::try_from(caller.data().response().len())?)
    })?;
    linker.func_wrap(
        "wapc",
        "__host_response",
        |mut caller: Caller<'_, Host>, pointer: u32| {
            let response = caller.data().response();
            write(&mut caller, pointer, &response)
        },
    )?;
    linker.func_wrap("wapc", "__console_log", |_pointer: u32, _len: u32| ())?;
    Ok(())
}

/// The WASI functions that Rust's standard library calls for a hash map, an environment variable
/// or the time.
fn link_wasi(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        WASI,
        "random_get",
        |mut caller: Caller<'_, Host>, pointer: u32, len: u32| {
            let bytes = vec![RANDOM_BYTE; usize::try_from(len)?];
            write(&mut caller, pointer, &bytes)?;
            wasmtime::Result::Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut caller: Caller<'_, Host>, _clock: u32, _precision: u64, pointer: u32| {
            write(&mut caller, pointer, &NOW.to_le_bytes())?;
            wasmtime::Result::Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        WASI,
        "environ_sizes_get",
        |mut caller: Caller<'_, Host>, count: u32, size: u32| {
            write(&mut caller, count, &0_u32.to_le_bytes())?;
            write(&mut caller, size, &0_u32.to_le_bytes())?;
            wasmtime::Result::Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(WASI, "environ_get", |_environ: u32, _buffer: u32| SUCCESS)?;
    Ok(())
}

fn write(caller: &mut Caller<'_, Host>, pointer: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    let memory = memory(caller)?;
    memory.write(caller, usize::try_from(pointer)?, bytes)?;
    Ok(())
}

fn read(caller: &mut Caller<'_, Host>, pointer: u32, len: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = memory(caller)?;
    let mut bytes = vec![0; usize::try_from(len)?];
    memory.read(caller, usize::try_from(pointer)?, &mut bytes)?;
    Ok(bytes)
}

fn memory(caller: &mut Caller<'_, Host>) -> wasmtime::Result<Memory> {
    caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(|| wasmtime::Error::msg("no memory exported"))
}

const DENIAL: &str = "Policy has not been granted access to this host capability.";
const WASI: &str = "wasi_snapshot_preview1";
const SUCCESS: u32 = 0;
/// Any value does, as long as it is the same in every run.
const RANDOM_BYTE: u8 = 0x5a;
/// Nanoseconds since the epoch: 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000_000_000;
