//! The compiled policy and the three waPC functions of a Kubewarden guest.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use wapc::WapcHost;
use wasmtime_provider::wasmtime::{Config, Engine, Module};
use wasmtime_provider::{EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

use crate::error::Error;
use crate::host_capabilities::{Denied, HostCapabilities};
use crate::request;
use crate::verdict::{SettingsVerdict, Verdict};

/// What an evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one call of the guest may run before it is interrupted. Only
    /// WebAssembly code is interrupted: a guest that waits for a host call is
    /// stopped when the call returns.
    pub timeout: Duration,
}

impl Default for Limits {
    /// policy-server's `--policy-timeout`: 2 seconds.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
        }
    }
}

/// A policy, compiled once and evaluated any number of times, on any number of
/// threads.
///
/// Each call runs in a fresh instance, as in policy-server: nothing that a
/// guest leaves in its memory reaches the next request. A clone shares the
/// compiled module.
#[derive(Clone)]
pub struct Policy {
    module: Arc<CompiledModule>,
    deadlines: EpochDeadlines,
    host_capabilities: Arc<dyn HostCapabilities>,
}

impl Policy {
    /// Compiles a policy from the bytes of its WebAssembly module, with the
    /// default [`Limits`] and no host capability.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] when the bytes are no WebAssembly module, or import
    /// what a waPC host does not offer.
    pub fn load(bytes: &[u8]) -> Result<Self, Error> {
        Self::load_with_limits(bytes, Limits::default())
    }

    /// As [`Policy::load`], with limits of your own.
    ///
    /// # Errors
    ///
    /// As [`Policy::load`].
    pub fn load_with_limits(bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        Ok(Self {
            module: Arc::new(CompiledModule::new(bytes)?),
            deadlines: deadlines(limits),
            host_capabilities: Arc::new(Denied),
        })
    }

    /// The same compiled policy with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self {
            deadlines: deadlines(limits),
            ..self
        }
    }

    /// The same compiled policy with other host capabilities.
    #[must_use]
    pub fn with_host_capabilities(self, host_capabilities: Arc<dyn HostCapabilities>) -> Self {
        Self {
            host_capabilities,
            ..self
        }
    }

    /// Asks the guest whether it understands these settings; `null` stands for
    /// `{}`, as in a policy without `spec.settings`.
    ///
    /// # Errors
    ///
    /// [`Error::SettingsCall`], [`Error::InvalidSettingsResponse`] or
    /// [`Error::TimedOut`] when the guest does not answer the question.
    pub fn validate_settings(&self, settings: &Value) -> Result<SettingsVerdict, Error> {
        let payload = match settings {
            Value::Null => serde_json::to_vec(&Map::new()),
            settings => serde_json::to_vec(settings),
        }
        .map_err(Error::Payload)?;
        let answer = self.validate_settings_bytes(&payload)?;
        serde_json::from_slice(&answer).map_err(Error::InvalidSettingsResponse)
    }

    /// Calls `validate_settings` with a payload and hands back the answer, both as the raw bytes
    /// that cross the waPC boundary.
    ///
    /// # Errors
    ///
    /// [`Error::SettingsCall`] or [`Error::TimedOut`] when the guest does not answer.
    pub fn validate_settings_bytes(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        self.call("validate_settings", payload)
            .map_err(|failure| match failure {
                CallFailure::TimedOut => Error::TimedOut,
                CallFailure::Failed(cause) => Error::SettingsCall(format!("{cause:?}")),
            })
    }

    /// Asks the guest for its verdict on one `AdmissionRequest`.
    ///
    /// The request is sent as it stands; [`AdmissionRequest`] drops what
    /// policy-server would not have passed on.
    ///
    /// [`AdmissionRequest`]: crate::AdmissionRequest
    ///
    /// # Errors
    ///
    /// [`Error::Guest`], [`Error::InvalidResponse`] or [`Error::TimedOut`]
    /// when the guest gives no verdict.
    pub fn validate(&self, request: &Value, settings: &Value) -> Result<Verdict, Error> {
        let answer = self.validate_bytes(&request::payload(request, settings)?)?;
        serde_json::from_slice(&answer).map_err(Error::InvalidResponse)
    }

    /// Calls `validate` with a payload and hands back the answer, both as the
    /// raw bytes that cross the waPC boundary.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] or [`Error::TimedOut`] when the guest does not answer.
    pub fn validate_bytes(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        self.call("validate", payload)
            .map_err(|failure| match failure {
                CallFailure::TimedOut => Error::TimedOut,
                CallFailure::Failed(cause) => Error::Guest(cause.to_string()),
            })
    }

    /// The version of the Kubewarden protocol that the guest speaks: `v1`.
    ///
    /// # Errors
    ///
    /// [`Error::ProtocolVersionCall`], [`Error::InvalidProtocolVersion`] or
    /// [`Error::TimedOut`] when the guest does not say.
    pub fn protocol_version(&self) -> Result<String, Error> {
        let answer = self
            .call("protocol_version", &[])
            .map_err(|failure| match failure {
                CallFailure::TimedOut => Error::TimedOut,
                CallFailure::Failed(cause) => Error::ProtocolVersionCall(cause.to_string()),
            })?;
        serde_json::from_slice(&answer).map_err(Error::InvalidProtocolVersion)
    }

    /// Calls one waPC function in an instance of its own.
    fn call(&self, function: &str, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
        let engine = self
            .module
            .instance_pre
            .rehydrate(Some(self.deadlines))
            .map_err(|error| CallFailure::from(wapc::errors::Error::from(error)))?;
        let host_capabilities = Arc::clone(&self.host_capabilities);
        let host = WapcHost::new(
            Box::new(engine),
            Some(Box::new(
                move |_instance, binding, namespace, operation, payload| {
                    host_capabilities
                        .call(binding, namespace, operation, payload)
                        .map_err(Into::into)
                },
            )),
        )?;
        Ok(host.call(function, payload)?)
    }
}

struct CompiledModule {
    instance_pre: WasmtimeEngineProviderPre,
    _ticker: Ticker,
}

impl CompiledModule {
    fn new(bytes: &[u8]) -> Result<Self, Error> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // policy-server turns this on for policies written in Go.
        config.wasm_function_references(true);
        let engine = Engine::new(&config).map_err(|error| Error::Load(format!("{error:#}")))?;
        // `from_binary`, because `Module::new` would take the text format too.
        let module = Module::from_binary(&engine, bytes)
            .map_err(|error| Error::Load(format!("{error:#}")))?;
        let instance_pre = WasmtimeEngineProviderBuilder::new()
            .engine(engine.clone())
            .module(module)
            .build_pre()
            .map_err(|error| Error::Load(error.to_string()))?;
        Ok(Self {
            instance_pre,
            _ticker: Ticker::start(engine)?,
        })
    }
}

fn deadlines(limits: Limits) -> EpochDeadlines {
    let ticks = ticks(limits.timeout);
    EpochDeadlines {
        wapc_init: ticks,
        wapc_func: ticks,
    }
}

/// The epochs in a timeout, and one more: the epoch in which a call begins is
/// already partly gone.
fn ticks(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(TICK.as_nanos()))
        .unwrap_or(u64::MAX)
        .saturating_add(1)
        // The engine adds the number to the current epoch.
        .min(u64::MAX >> 1)
}

/// Advances the epoch of an engine until it is dropped.
struct Ticker {
    /// Never sent to: the thread ends when this end of the channel is gone.
    _alive: mpsc::Sender<()>,
}

impl Ticker {
    fn start(engine: Engine) -> Result<Self, Error> {
        let (alive, gone) = mpsc::channel();
        thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || {
                while gone.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })
            .map_err(|error| Error::Load(format!("cannot start the epoch ticker: {error}")))?;
        Ok(Self { _alive: alive })
    }
}

/// Why a waPC call gave no answer.
enum CallFailure {
    TimedOut,
    Failed(wapc::errors::Error),
}

impl From<wapc::errors::Error> for CallFailure {
    fn from(error: wapc::errors::Error) -> Self {
        // wasmtime-provider has no typed error for an interruption: one text
        // when the guest starts, another in its functions, both with this end.
        if error
            .to_string()
            .ends_with("interrupted, execution deadline exceeded")
        {
            Self::TimedOut
        } else {
            Self::Failed(error)
        }
    }
}

/// The epoch of an engine. policy-server ticks once in a second; a short tick
/// keeps a short timeout exact.
const TICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_shorter_than_asked_for() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(Duration::from_secs(2)), 201);
        assert_eq!(ticks(Duration::MAX), u64::MAX >> 1);
    }

    #[test]
    fn a_policy_may_be_shared_by_threads() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<Policy>();
    }
}
