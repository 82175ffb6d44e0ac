//! The functions of WASI that Rust's standard library cannot do without.
//!
//! `wasi_snapshot_preview1` has forty more. No policy in Rust asks for them, and one that does is
//! not loaded.

use std::io::{self, Write as _};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmi::errors::LinkerError;
use wasmi::{Caller, Error, Linker};

use super::memory;

/// Makes the functions known.
pub(super) fn link<T: 'static>(linker: &mut Linker<T>) -> Result<(), LinkerError> {
    let started = now();
    linker
        .func_wrap(
            WASI,
            "clock_time_get",
            move |caller: Caller<'_, T>, clock: u32, _precision: u64, pointer: u32| {
                let time = match clock {
                    REALTIME => nanoseconds_since_1970(),
                    MONOTONIC => u64::try_from(started.elapsed().as_nanos()).or(Err(EOVERFLOW)),
                    _ => Err(EINVAL),
                };
                match time {
                    Ok(time) => write(caller, &[(pointer, &time.to_le_bytes())]),
                    Err(error) => Ok(error),
                }
            },
        )?
        .func_wrap(WASI, "random_get", random_get)?
        .func_wrap(WASI, "fd_write", fd_write)?
        // The environment of a guest is empty.
        .func_wrap(
            WASI,
            "environ_sizes_get",
            |caller: Caller<'_, T>, count: u32, bytes: u32| {
                write(caller, &[(count, &[0; 4]), (bytes, &[0; 4])])
            },
        )?
        .func_wrap(WASI, "environ_get", |_variables: u32, _bytes: u32| SUCCESS)?
        .func_wrap(WASI, "proc_exit", |status: i32| -> Result<(), Error> {
            Err(Error::i32_exit(status))
        })?;
    Ok(())
}

/// By the clock of this machine. WASI has no time before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that the policy's own door leads to"
)]
fn nanoseconds_since_1970() -> Result<u64, u32> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = since.map_err(|_| EOVERFLOW)?.as_nanos();
    u64::try_from(nanoseconds).or(Err(EOVERFLOW))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that the policy's own door leads to"
)]
fn now() -> Instant {
    Instant::now()
}

fn random_get<T>(mut caller: Caller<'_, T>, pointer: u32, length: u32) -> Result<u32, Error> {
    let (memory, _) = memory::of(&mut caller)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some(place) = memory::bytes_mut(memory, pointer, length) else {
        return Ok(EFAULT);
    };
    Ok(getrandom::fill(place).map_or(EIO, |()| SUCCESS))
}

/// What the guest writes, to whichever of its two streams, goes to stderr: it is the last words of
/// one that panics, and stdout is for the report.
fn fd_write<T>(
    mut caller: Caller<'_, T>,
    file: u32,
    pieces: u32,
    count: u32,
    written: u32,
) -> Result<u32, Error> {
    if !matches!(file, STDOUT | STDERR) {
        return Ok(EBADF);
    }
    let (memory, _) = memory::of(&mut caller)?;
    let Some(text) = gathered(memory, pieces, count) else {
        return Ok(EFAULT);
    };
    let Ok(length) = u32::try_from(text.len()) else {
        return Ok(EINVAL);
    };
    // When nobody listens there, there is nobody to tell.
    drop(io::stderr().write_all(&text));
    write(caller, &[(written, &length.to_le_bytes())])
}

/// The pieces of a text, each given by its address and its length. Pieces that lie over each other
/// may be many times what the guest has; they are refused.
fn gathered(memory: &[u8], pieces: u32, count: u32) -> Option<Vec<u8>> {
    let pieces = memory::bytes(memory, pieces, count.checked_mul(8)?)?;
    let (pieces, _) = pieces.as_chunks::<4>();
    let (pieces, _) = pieces.as_chunks::<2>();
    let mut text = Vec::new();
    for [pointer, length] in pieces {
        let (pointer, length) = (u32::from_le_bytes(*pointer), u32::from_le_bytes(*length));
        text.extend_from_slice(memory::bytes(memory, pointer, length)?);
        if text.len() > memory.len() {
            return None;
        }
    }
    Some(text)
}

/// Writes each of these to its place.
fn write<T>(mut caller: Caller<'_, T>, values: &[(u32, &[u8])]) -> Result<u32, Error> {
    let (memory, _) = memory::of(&mut caller)?;
    for (pointer, bytes) in values {
        if memory::write(memory, *pointer, bytes).is_none() {
            return Ok(EFAULT);
        }
    }
    Ok(SUCCESS)
}

const WASI: &str = "wasi_snapshot_preview1";
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const EIO: u32 = 29;
const EOVERFLOW: u32 = 61;
