//! The stack of a thread that does not answer: a signal makes the thread walk it itself.
//!
//! [`ask`] is the supervisor's side, [`install`] the side of the process that is asked. The signal is
//! SIGURG, which a program without the handler ignores.
#![expect(
    unsafe_code,
    reason = "signal handlers and the unwinder have no safe interface"
)]

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::OnceLock;

/// The most return addresses that are recorded of one stack.
pub const FRAMES: usize = 64;

/// Gets the return addresses of the interrupted thread, innermost first. It runs inside a signal
/// handler: it must not allocate, lock or panic.
pub(crate) type Record = fn(&[usize]);

static RECORD: OnceLock<Record> = OnceLock::new();

/// Answers to [`ask`] from now on by giving the asked thread's stack to `record`. The first call wins.
///
/// # Errors
/// The kernel refuses the handler.
pub(crate) fn install(record: Record) -> io::Result<()> {
    if RECORD.set(record).is_err() {
        return Ok(());
    }
    // The unwinder reads the program's tables, and allocates, when it is used for the first time; that
    // must not be inside the handler.
    Walk::default().walk();
    // SAFETY: `sigaction` is plain data, for which zeros are a value; `handler` has the signature that
    // SA_SIGINFO asks for and lives as long as the program.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handler;
        action.sa_sigaction = handler as usize;
        // No SA_ONSTACK: alternate stacks are too small for an unwinder, and what we look for is a
        // thread that loops or waits, not one that ran out of stack.
        action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks thread `tid` of process `pid` for its stack. Send it only to a process that said it has the
/// handler; elsewhere SIGURG means something else or nothing.
///
/// # Errors
/// There is no such thread in that process, or it belongs to somebody else.
pub fn ask(pid: i32, tid: i32) -> io::Result<()> {
    // SAFETY: a system call that takes three numbers and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGURG) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn handler(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    let Some(record) = RECORD.get() else {
        return;
    };
    // SAFETY: the address of this thread's `errno`, valid while the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let mut walk = Walk::default();
    walk.walk();
    record(&walk.addresses[..walk.count]);
    // SAFETY: as above. The interrupted code may be between a system call and its look at `errno`.
    unsafe { *errno = before };
}

struct Walk {
    addresses: [usize; FRAMES],
    count: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            addresses: [0; FRAMES],
            count: 0,
        }
    }
}

impl Walk {
    /// Collects the calling thread's stack, without allocation once the unwinder has been used.
    #[inline(never)]
    fn walk(&mut self) {
        // SAFETY: the callback gets `self` back, which outlives the call, and no other reference to it
        // is in use until the call returns.
        unsafe { _Unwind_Backtrace(step, std::ptr::from_mut(self).cast()) };
    }

    fn step(&mut self, address: usize, is_interrupted: bool) -> bool {
        if is_interrupted {
            // What came before are the handler's own frames.
            self.count = 0;
        }
        if address == 0 {
            // Below the first function of a thread there is nothing.
            return false;
        }
        // A return address is that of the next instruction, which may be another line.
        let address = address.saturating_sub(usize::from(!is_interrupted));
        match self.addresses.get_mut(self.count) {
            Some(place) => {
                *place = address;
                self.count += 1;
                true
            }
            None => false,
        }
    }
}

/// `_URC_NO_REASON` of the Itanium C++ ABI: go on.
const GO_ON: c_int = 0;
/// `_URC_END_OF_STACK`: any other value ends the walk.
const ENOUGH: c_int = 5;

extern "C" fn step(context: *mut c_void, walk: *mut c_void) -> c_int {
    let mut is_interrupted: c_int = 0;
    // SAFETY: the unwinder calls with its own context, and with the pointer that `walk` gave it.
    let (address, walk) = unsafe {
        (
            _Unwind_GetIPInfo(context, &raw mut is_interrupted),
            &mut *walk.cast::<Walk>(),
        )
    };
    if walk.step(address, is_interrupted != 0) {
        GO_ON
    } else {
        ENOUGH
    }
}

// The unwinder that the standard library links for its own panics.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, is_interrupted: *mut c_int) -> usize;
}
