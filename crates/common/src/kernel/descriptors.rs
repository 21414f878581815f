//! Turns the number of a descriptor that the parent process handed on into an owned descriptor.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use parking_lot::Mutex;
use rustix::io::FdFlags;

/// Standard input, output and error stay where they are.
const FIRST_INHERITABLE: RawFd = 3;

/// Takes over descriptor `number`, which was open when this program was executed, and marks it
/// close-on-exec. A number can be taken once.
///
/// # Errors
/// `number` is not open, is a standard stream, or was opened or taken over by this process itself.
#[expect(
    unsafe_code,
    reason = "the one place where numbers of descriptors become owned descriptors"
)]
pub fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if number < FIRST_INHERITABLE {
        return Err(refused("it is a standard stream or no descriptor"));
    }
    let _alone = ONE_AT_A_TIME.lock();
    // SAFETY: the borrow lasts for one system call that reads the flags of a number; a number that is
    // not open gives EBADF, and nothing is closed.
    let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // What came through execve(2) cannot have the flag. What this process opens has it, because the
    // standard library, tokio and rustix set it on all they open; so does what was taken over before.
    if flags.contains(FdFlags::CLOEXEC) {
        return Err(refused("this process opened it or took it over before"));
    }
    // SAFETY: the number is open (checked above) and nobody in this process owns it: it came through
    // execve (no close-on-exec flag), and the flag set below, before the lock is released, keeps a
    // second call from taking it again.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
    Ok(descriptor)
}

fn refused(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn descriptors_of_this_process_and_standard_streams_are_refused() {
        let own = std::fs::File::open("/dev/null").unwrap();
        assert!(inherit(own.as_raw_fd()).is_err());
        assert!(inherit(1).is_err());
        assert!(inherit(-1).is_err());
        assert!(inherit(9_999).is_err());
        assert!(own.metadata().is_ok(), "still open");
    }
}
