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

/// The most return addresses that are recorded of one stack: of a deeper one the first [`INNERMOST`] and
/// the last of the rest, so that neither what it does nor who asked for it is missing.
pub const FRAMES: usize = 256;
/// See [`FRAMES`].
pub const INNERMOST: usize = 160;
/// Calls are walked no further: a thread's stack has room for some ten thousand.
const DEEPEST: usize = 16 * 1024;
/// What lies so little further out than a mark is still inside.
const SLACK: usize = 1024;

/// What a process does when it is asked for a stack. All of it runs inside a signal handler: it must not
/// allocate, lock or panic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// An address on the asked thread's stack, from [`here`]: calls further out do not matter. 0: all do.
    pub(crate) outermost: fn() -> usize,
    /// Gets the return addresses of the interrupted thread, innermost first, and how many calls are left
    /// out after the first [`INNERMOST`].
    pub(crate) record: fn(&[usize], usize),
}

static ANSWER: OnceLock<Answer> = OnceLock::new();

/// A mark on the calling thread's stack: what is called from now on lies further in.
#[inline]
pub(crate) fn here() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}

/// Answers to [`ask`] from now on. The first call wins.
///
/// # Errors
/// The kernel refuses the handler.
pub(crate) fn install(answer: Answer) -> io::Result<()> {
    if ANSWER.set(answer).is_err() {
        return Ok(());
    }
    // The unwinder reads the program's tables, and allocates, when it is used for the first time; that
    // must not be inside the handler.
    Walk::new(0).walk();
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
    let Some(answer) = ANSWER.get() else {
        return;
    };
    // SAFETY: the address of this thread's `errno`, valid while the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    let mut walk = Walk::new((answer.outermost)());
    walk.walk();
    let (addresses, omitted) = walk.finish();
    (answer.record)(addresses, omitted);
    // SAFETY: as above. The interrupted code may be between a system call and its look at `errno`.
    unsafe { *errno = before };
}

struct Walk {
    addresses: [usize; FRAMES],
    /// Calls seen.
    count: usize,
    /// Calls beyond this address of the stack do not matter.
    end: usize,
}

impl Walk {
    fn new(outermost: usize) -> Self {
        Self {
            addresses: [0; FRAMES],
            count: 0,
            end: match outermost {
                0 => usize::MAX,
                mark => mark.saturating_add(SLACK),
            },
        }
    }

    /// Collects the calling thread's stack, without allocation once the unwinder has been used.
    #[inline(never)]
    fn walk(&mut self) {
        // SAFETY: the callback gets `self` back, which outlives the call, and no other reference to it
        // is in use until the call returns.
        unsafe { _Unwind_Backtrace(step, std::ptr::from_mut(self).cast()) };
    }

    /// One call more, whose frame ends at `frame`. False if there is no need to go on.
    fn step(&mut self, address: usize, frame: usize, is_interrupted: bool) -> bool {
        if is_interrupted {
            // What came before are the handler's own frames.
            self.count = 0;
        }
        if address == 0 || frame > self.end || self.count >= DEEPEST {
            // Below the first function of a thread there is nothing.
            return false;
        }
        // A return address is that of the next instruction, which may be another line.
        let address = address.saturating_sub(usize::from(!is_interrupted));
        let place = match self.count {
            inner if inner < INNERMOST => inner,
            // The rest goes round: the outermost stay.
            outer => INNERMOST + (outer - INNERMOST) % (FRAMES - INNERMOST),
        };
        if let Some(place) = self.addresses.get_mut(place) {
            *place = address;
        }
        self.count += 1;
        true
    }

    /// What was kept, and how many calls in the middle were not.
    fn finish(&mut self) -> (&[usize], usize) {
        let omitted = self.count.saturating_sub(FRAMES);
        if let Some(rest) = self.addresses.get_mut(INNERMOST..) {
            rest.rotate_left(omitted % (FRAMES - INNERMOST));
        }
        let kept = self.addresses.get(..self.count.min(FRAMES));
        (kept.unwrap_or_default(), omitted)
    }
}

/// `_URC_NO_REASON` of the Itanium C++ ABI: go on.
const GO_ON: c_int = 0;
/// `_URC_END_OF_STACK`: any other value ends the walk.
const ENOUGH: c_int = 5;

extern "C" fn step(context: *mut c_void, walk: *mut c_void) -> c_int {
    let mut is_interrupted: c_int = 0;
    // SAFETY: the unwinder calls with its own context, and with the pointer that `walk` gave it.
    let (address, frame, walk) = unsafe {
        (
            _Unwind_GetIPInfo(context, &raw mut is_interrupted),
            _Unwind_GetCFA(context),
            &mut *walk.cast::<Walk>(),
        )
    };
    if walk.step(address, frame, is_interrupted != 0) {
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
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(calls: usize) -> (Vec<usize>, usize) {
        let mut walk = Walk::new(1 << 20);
        assert!(walk.step(7, 0, false), "a frame of the handler");
        for call in 0..calls {
            assert!(walk.step(call + 1, call, call == 0));
        }
        let (addresses, omitted) = walk.finish();
        (addresses.to_vec(), omitted)
    }

    #[test]
    fn of_a_deep_stack_both_ends_are_kept() {
        // The innermost address is exact, the others are of the instruction after a call.
        let all = |from: usize, to: usize| (from..to).map(|call| call.max(1));
        let (addresses, omitted) = walked(FRAMES);
        assert_eq!((addresses, omitted), (all(0, FRAMES).collect(), 0));
        for calls in [FRAMES + 1, 1000, 9999] {
            let (addresses, omitted) = walked(calls);
            let outermost = all(calls - (FRAMES - INNERMOST), calls);
            let expected: Vec<usize> = all(0, INNERMOST).chain(outermost).collect();
            assert_eq!((addresses, omitted), (expected, calls - FRAMES));
        }
    }

    #[test]
    fn calls_beyond_the_mark_are_left_out() {
        let mut walk = Walk::new(5000);
        assert!(walk.step(1, 4000, true));
        assert!(walk.step(2, 5000 + SLACK, false));
        assert!(!walk.step(3, 5001 + SLACK, false));
        assert_eq!(walk.finish(), (&[1, 1][..], 0));
    }
}
