//! waPC: what guest and host hand to each other in one call, and the functions by which they do.
//!
//! <https://wapc.io/docs/spec/> says what the functions mean, and wapc 2.1, which is the library of
//! policy-server, what becomes of each mistake.

use std::sync::Arc;

use wasmi::errors::LinkerError;
use wasmi::{Caller, Error, Linker};

use super::deadline::{Deadline, DeadlineExceeded};
use super::memory;
use crate::host_capabilities::{Denied, HostCapabilities};

/// One call of the guest, and what has been said since it began.
pub(super) struct Conversation {
    /// When the guest has to be done.
    pub(super) deadline: Deadline,
    host_capabilities: Arc<dyn HostCapabilities>,
    function: String,
    payload: Vec<u8>,
    guest_response: Option<Vec<u8>>,
    guest_error: Option<String>,
    host_answer: HostAnswer,
}

/// What came of the last host call; nothing at first.
type HostAnswer = Option<Result<Vec<u8>, String>>;

impl Default for Conversation {
    /// With a host that grants nothing.
    fn default() -> Self {
        Self::new(Arc::new(Denied))
    }
}

impl Conversation {
    pub(super) fn new(host_capabilities: Arc<dyn HostCapabilities>) -> Self {
        Self {
            deadline: Deadline::default(),
            host_capabilities,
            function: String::new(),
            payload: Vec::new(),
            guest_response: None,
            guest_error: None,
            host_answer: None,
        }
    }

    /// Begins anew, with what the guest will be asked.
    pub(super) fn ask(&mut self, function: &str, payload: &[u8]) {
        *self = Self {
            deadline: self.deadline,
            function: function.to_owned(),
            payload: payload.to_vec(),
            ..Self::new(Arc::clone(&self.host_capabilities))
        };
    }

    /// What the guest has said, once it has returned.
    ///
    /// # Errors
    ///
    /// The guest's own error, or that there is neither.
    pub(super) fn answer(&mut self, succeeded: bool) -> Result<Vec<u8>, String> {
        let silence = if succeeded {
            "No error message OR response set for call success"
        } else {
            "No error message set for call failure"
        };
        let response = self.guest_response.take().filter(|_| succeeded);
        let error = self.guest_error.take();
        response.ok_or_else(|| error.unwrap_or_else(|| silence.to_owned()))
    }
}

/// Makes the functions of the import module `wapc` known.
pub(super) fn link<T: AsMut<Conversation> + 'static>(
    linker: &mut Linker<T>,
) -> Result<(), LinkerError> {
    linker
        .func_wrap(WAPC, "__guest_request", guest_request)?
        .func_wrap(WAPC, "__guest_response", guest_response)?
        .func_wrap(WAPC, "__guest_error", guest_error)?
        .func_wrap(WAPC, "__host_call", host_call)?
        .func_wrap(WAPC, "__host_response", host_response)?
        .func_wrap(WAPC, "__host_response_len", host_response_len)?
        .func_wrap(WAPC, "__host_error", host_error)?
        .func_wrap(WAPC, "__host_error_len", host_error_len)?
        // What a guest logs in this way reaches nobody in policy-server either.
        .func_wrap(WAPC, "__console_log", |_pointer: u32, _length: u32| ())?;
    Ok(())
}

/// Writes the name of the function to one place, and its payload to another.
fn guest_request<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    function: u32,
    payload: u32,
) -> Result<(), Error> {
    let (memory, state) = memory::of(&mut caller)?;
    let conversation = state.as_mut();
    memory::write(memory, payload, &conversation.payload)
        .and_then(|()| memory::write(memory, function, conversation.function.as_bytes()))
        .ok_or_else(outside)
}

fn guest_response<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    pointer: u32,
    length: u32,
) -> Result<(), Error> {
    let (memory, state) = memory::of(&mut caller)?;
    let response = memory::bytes(memory, pointer, length).ok_or_else(outside)?;
    state.as_mut().guest_response = Some(response.to_vec());
    Ok(())
}

fn guest_error<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    pointer: u32,
    length: u32,
) -> Result<(), Error> {
    let (memory, state) = memory::of(&mut caller)?;
    state.as_mut().guest_error = Some(text(memory, pointer, length)?.to_owned());
    Ok(())
}

/// Asks the host, which may take its time; 1 when there is a response, 0 when there is an error.
#[expect(
    clippy::too_many_arguments,
    reason = "the function of waPC has eight parameters"
)]
fn host_call<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    binding: u32,
    binding_length: u32,
    namespace: u32,
    namespace_length: u32,
    operation: u32,
    operation_length: u32,
    payload: u32,
    payload_length: u32,
) -> Result<u32, Error> {
    let (memory, state) = memory::of(&mut caller)?;
    let conversation = state.as_mut();
    let answer = conversation.host_capabilities.call(
        text(memory, binding, binding_length)?,
        text(memory, namespace, namespace_length)?,
        text(memory, operation, operation_length)?,
        memory::bytes(memory, payload, payload_length).ok_or_else(outside)?,
    );
    if conversation.deadline.is_over() {
        return Err(Error::host(DeadlineExceeded));
    }
    let succeeded = u32::from(answer.is_ok());
    conversation.host_answer = Some(answer);
    Ok(succeeded)
}

fn host_response<T: AsMut<Conversation>>(caller: Caller<'_, T>, pointer: u32) -> Result<(), Error> {
    write_answer(caller, pointer, response_of)
}

fn host_response_len<T: AsMut<Conversation>>(caller: Caller<'_, T>) -> Result<u32, Error> {
    length_of_answer(caller, response_of)
}

fn host_error<T: AsMut<Conversation>>(caller: Caller<'_, T>, pointer: u32) -> Result<(), Error> {
    write_answer(caller, pointer, error_of)
}

fn host_error_len<T: AsMut<Conversation>>(caller: Caller<'_, T>) -> Result<u32, Error> {
    length_of_answer(caller, error_of)
}

/// The response of the host; nothing where there is none.
fn response_of(answer: &HostAnswer) -> &[u8] {
    match answer {
        Some(Ok(response)) => response,
        _ => &[],
    }
}

/// The error of the host; nothing where there is none.
fn error_of(answer: &HostAnswer) -> &[u8] {
    match answer {
        Some(Err(error)) => error.as_bytes(),
        _ => &[],
    }
}

fn write_answer<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    pointer: u32,
    part: fn(&HostAnswer) -> &[u8],
) -> Result<(), Error> {
    let (memory, state) = memory::of(&mut caller)?;
    memory::write(memory, pointer, part(&state.as_mut().host_answer)).ok_or_else(outside)
}

fn length_of_answer<T: AsMut<Conversation>>(
    mut caller: Caller<'_, T>,
    part: fn(&HostAnswer) -> &[u8],
) -> Result<u32, Error> {
    u32::try_from(part(&caller.data_mut().as_mut().host_answer).len())
        .map_err(|_| Error::new("the answer of the host is too long"))
}

fn text(memory: &[u8], pointer: u32, length: u32) -> Result<&str, Error> {
    let bytes = memory::bytes(memory, pointer, length).ok_or_else(outside)?;
    str::from_utf8(bytes).map_err(|error| Error::new(format!("not UTF-8: {error}")))
}

fn outside() -> Error {
    Error::new("out of bounds memory access")
}

const WAPC: &str = "wapc";
