//! The bytes of a guest, which names them by where they are: what is not there is an error.

use wasmi::{Caller, Error, Extern};

/// The guest's memory, and what the host keeps for the guest.
///
/// # Errors
///
/// The guest exports no memory.
pub(super) fn of<'a, T>(caller: &'a mut Caller<'_, T>) -> Result<(&'a mut [u8], &'a mut T), Error> {
    let memory = caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(|| Error::new("the guest exports no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

/// So many bytes from there on.
pub(super) fn bytes(memory: &[u8], pointer: u32, length: u32) -> Option<&[u8]> {
    let start = usize::try_from(pointer).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    memory.get(start..end)
}

/// The same, to be written to.
pub(super) fn bytes_mut(memory: &mut [u8], pointer: u32, length: usize) -> Option<&mut [u8]> {
    let start = usize::try_from(pointer).ok()?;
    memory.get_mut(start..start.checked_add(length)?)
}

/// Puts bytes there.
pub(super) fn write(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Option<()> {
    bytes_mut(memory, pointer, bytes.len()).map(|place| place.copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_read_and_written() {
        let mut memory = *b"abcdef";
        assert_eq!(bytes(&memory, 2, 4), Some(&b"cdef"[..]));
        assert_eq!(bytes(&memory, 6, 0), Some(&b""[..]));
        assert_eq!(write(&mut memory, 4, b"xy"), Some(()));
        assert_eq!(&memory, b"abcdxy");
    }

    #[test]
    fn what_is_outside_of_memory_is_not_there() {
        let mut memory = *b"abcdef";
        for (pointer, length) in [(2, 5), (7, 0), (u32::MAX, 1), (1, u32::MAX)] {
            assert_eq!(bytes(&memory, pointer, length), None, "{pointer} {length}");
        }
        assert_eq!(write(&mut memory, 5, b"xy"), None);
        assert_eq!(write(&mut memory, u32::MAX, b"x"), None);
        assert_eq!(&memory, b"abcdef");
    }
}
