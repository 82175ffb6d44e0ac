//! A policy and the three waPC functions of a Kubewarden guest.

use std::sync::Arc;
use std::time::Duration;

use container_security_text::request;
use container_security_text::{Error as TextError, SettingsVerdict, Verdict};
use serde_json::{Map, Value};

use crate::engine::{self, Failure, Guest};
use crate::error::Error;
use crate::host_capabilities::{Denied, HostCapabilities};

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

/// A policy, read once and evaluated any number of times, on any number of
/// threads.
///
/// Each call runs in a fresh instance, as in policy-server: nothing that a
/// guest leaves in its memory reaches the next request. A clone shares the
/// module.
#[derive(Clone)]
pub struct Policy {
    guest: Arc<Guest>,
    limits: Limits,
    host_capabilities: Arc<dyn HostCapabilities>,
}

impl Policy {
    /// Reads a policy from the bytes of its WebAssembly module, with the
    /// default [`Limits`] and no host capability.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] when the bytes are no WebAssembly module, or import
    /// what a waPC host does not offer.
    pub fn load(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            guest: Arc::new(Guest::load(bytes).map_err(Error::Load)?),
            limits: Limits::default(),
            host_capabilities: Arc::new(Denied),
        })
    }

    /// The same policy with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same policy with other host capabilities.
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
        .map_err(TextError::Payload)?;
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
                Failure::TimedOut => Error::TimedOut,
                failure => Error::SettingsCall(format!("{failure:?}")),
            })
    }

    /// Asks the guest for its verdict on one `AdmissionRequest`.
    ///
    /// The request is sent as it stands; [`AdmissionRequest`] drops what
    /// policy-server would not have passed on.
    ///
    /// [`AdmissionRequest`]: container_security_text::AdmissionRequest
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
        self.call("validate", payload).map_err(no_verdict)
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
                Failure::TimedOut => Error::TimedOut,
                failure => Error::ProtocolVersionCall(failure.to_string()),
            })?;
        serde_json::from_slice(&answer).map_err(Error::InvalidProtocolVersion)
    }

    /// An instance that stays for many calls. What it leaves in its memory is there in the next
    /// one: that is for who looks for leaks.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] or [`Error::TimedOut`] when the guest does not start.
    pub fn instance(&self) -> Result<Instance, Error> {
        self.instantiate().map(Instance).map_err(no_verdict)
    }

    /// Calls one waPC function in an instance of its own.
    fn call(&self, function: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        self.instantiate()?.call(function, payload)
    }

    fn instantiate(&self) -> Result<engine::Instance, Failure> {
        self.guest
            .instantiate(Arc::clone(&self.host_capabilities), self.limits.timeout)
    }
}

/// One instance of a [`Policy`], with its limits and host capabilities.
pub struct Instance(engine::Instance);

impl Instance {
    /// As [`Policy::validate_bytes`], but in this instance.
    ///
    /// # Errors
    ///
    /// As [`Policy::validate_bytes`].
    pub fn validate_bytes(&mut self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.call("validate", payload).map_err(no_verdict)
    }
}

fn no_verdict(failure: Failure) -> Error {
    match failure {
        Failure::TimedOut => Error::TimedOut,
        failure => Error::Guest(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_may_be_shared_by_threads() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<Policy>();
    }
}
