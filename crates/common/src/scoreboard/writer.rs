//! The side of the process that writes its board.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicU32, fence};

use parking_lot::Mutex;

use super::layout::{
    Board, MAGIC, REQUESTS, SLOTS, STACK_HANDLER, Slot, Stack, TASKS, THREADS, Thread, VERSION,
};
use super::thread::ThreadWriter;
use super::view::{Kind, State};
use super::{VARIABLE, clock, text};
use crate::kernel::memory::{self, Mapping};
use crate::kernel::{descriptors, stack};

/// Slots that a thread takes for itself at a time, so that it need not ask the others for each request.
const BLOCK: usize = 16;

/// The board whose threads answer to [`stack::ask`].
static ASKED: OnceLock<&'static Board> = OnceLock::new();

/// Writes a board. Copies write the same one.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    pub(super) board: &'static Board,
    pub(super) free: &'static Free,
}

/// What nobody has.
#[derive(Debug, Default)]
pub(super) struct Free {
    /// From this slot on none was ever taken.
    fresh: AtomicU32,
    /// Slots that tasks have given back.
    returned: Mutex<Vec<u16>>,
    /// Places of threads that have ended.
    places: Mutex<Vec<u16>>,
}

/// A request or task that begins. Texts are cut where the board ends.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// What it is.
    pub kind: Kind,
    /// Method and path, or the task's name; joined by a space.
    pub label: &'a [&'a str],
    /// Request or task id.
    pub id: &'a str,
    /// W3C trace id in hexadecimal digits; empty if there is none.
    pub trace_id: &'a str,
    /// When it began.
    pub started: u64,
    /// When this process gives it up; 0: never.
    pub soft_deadline: u64,
    /// When the supervisor may end the process for it; 0: never.
    pub hard_deadline: u64,
}

impl Writer {
    /// The board that the supervisor handed on; `None` without a supervisor, or with one whose board
    /// this version cannot write (that is logged). The same one at every call.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        static ONE: OnceLock<Option<Writer>> = OnceLock::new();
        *ONE.get_or_init(|| {
            let announced = std::env::var(VARIABLE).ok()?;
            let number = announced
                .parse()
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it is no number"));
            match number.and_then(descriptors::inherit).and_then(Self::on) {
                Ok(writer) => Some(writer),
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "cannot write the scoreboard announced by {VARIABLE}={announced}; \
                         the supervisor will see this process from outside only"
                    );
                    None
                }
            }
        })
    }

    /// A board that nobody reads, for a process without a supervisor. It is never freed.
    ///
    /// # Errors
    /// No memory, or no descriptor is left.
    pub fn detached() -> io::Result<Self> {
        let (board, _) = memory::create::<Board>("kiuas-scoreboard")?;
        Ok(Self::start(board.leak()))
    }

    /// Writes the board behind a descriptor. It is never unmapped.
    ///
    /// # Errors
    /// The descriptor is no board, or one of another version.
    pub fn on(descriptor: OwnedFd) -> io::Result<Self> {
        Ok(Self::start(Mapping::<Board>::of(&descriptor)?.leak()))
    }

    fn start(board: &'static Board) -> Self {
        let header = &board.header;
        header.pid.store(std::process::id(), Relaxed);
        header.state.store(State::Starting.code(), Relaxed);
        header.version.store(VERSION, Relaxed);
        header.magic.store(MAGIC, Release);
        Self {
            board,
            free: Box::leak(Box::default()),
        }
    }

    /// Says what this process is doing; with [`State::Ready`] for the first time, since when.
    pub fn set_state(&self, state: State) {
        let header = &self.board.header;
        if state == State::Ready && header.ready_at.load(Relaxed) == 0 {
            header.ready_at.store(clock::now(), Relaxed);
        }
        header.state.store(state.code(), Relaxed);
    }

    /// Says that the slots hold requests.
    pub fn has_requests(&self) {
        self.board.header.flags.fetch_or(REQUESTS, Relaxed);
    }

    /// Says that the slots hold tasks.
    pub fn has_tasks(&self) {
        self.board.header.flags.fetch_or(TASKS, Relaxed);
    }

    /// Lets the supervisor ask any thread of this process for its stack. One board a process can have
    /// this; the first call wins.
    ///
    /// # Errors
    /// The kernel refuses the signal handler.
    pub fn answer_for_stacks(&self) -> io::Result<()> {
        if std::ptr::eq(*ASKED.get_or_init(|| self.board), self.board) {
            stack::install(stack::Answer { outermost, record })?;
            self.board.header.flags.fetch_or(STACK_HANDLER, Relaxed);
        }
        Ok(())
    }

    /// A place for the calling thread; `None` if all are taken.
    #[must_use]
    pub fn thread(&self) -> Option<ThreadWriter> {
        self.place().map(|index| ThreadWriter::new(*self, index))
    }

    /// Gives the calling thread a place of its own, until it [leaves](Self::leave).
    pub(super) fn place(&self) -> Option<u16> {
        let left = self.free.places.lock().pop();
        let index = left.or_else(|| {
            let used = &self.board.header.threads;
            let next = |used: u32| (used < THREADS as u32).then_some(used + 1);
            let index = used.fetch_update(AcqRel, Relaxed, next).ok()?;
            u16::try_from(index).ok()
        })?;
        let thread = self.thread_at(index)?;
        thread.heartbeat.store(clock::now(), Relaxed);
        thread.tid.store(own_tid(), Relaxed);
        Some(index)
    }

    /// The thread ends: another may have its place, and counts on from its counters.
    pub(super) fn leave(&self, index: u16) {
        let Some(thread) = self.thread_at(index) else {
            return;
        };
        thread.polled.store(0, Relaxed);
        thread.mark.store(0, Relaxed);
        thread.connections.store(0, Relaxed);
        thread.in_flight.store(0, Relaxed);
        thread.tid.store(0, Relaxed);
        self.free.places.lock().push(index);
    }

    pub(super) fn thread_at(&self, index: u16) -> Option<&'static Thread> {
        self.board.threads.get(usize::from(index))
    }

    /// Adds a block of slots that nobody has taken, if there is one, to `slots`.
    pub(super) fn take_block(&self, slots: &mut Vec<u16>) {
        let next = |fresh: u32| (fresh < SLOTS as u32).then_some(fresh + BLOCK as u32);
        let Ok(first) = self.free.fresh.fetch_update(AcqRel, Relaxed, next) else {
            return;
        };
        let end = first + BLOCK as u32;
        self.board.header.slots.fetch_max(end, Relaxed);
        // The lowest first: fewer pages of the board are touched.
        slots.extend(
            (first..end)
                .rev()
                .filter_map(|slot| u16::try_from(slot).ok()),
        );
    }

    /// A slot for a task, from whichever thread.
    pub(super) fn take_one(&self) -> Option<u16> {
        let mut returned = self.free.returned.lock();
        if returned.is_empty() {
            self.take_block(&mut returned);
        }
        returned.pop()
    }

    pub(super) fn give_back(&self, slot: u16) {
        self.free.returned.lock().push(slot);
    }

    pub(super) fn slot_at(&self, index: u16) -> Option<&'static Slot> {
        self.board.slots.get(usize::from(index))
    }

    pub(super) fn count_untracked(&self) {
        self.board.header.untracked.fetch_add(1, Relaxed);
    }
}

const _: () = assert!(SLOTS.is_multiple_of(BLOCK) && SLOTS < u16::MAX as usize);

impl Slot {
    /// Fills the slot. Only its owner may.
    pub(super) fn fill(&self, thread: u16, work: &Work<'_>) {
        self.change(|| {
            self.thread.store(u32::from(thread), Relaxed);
            self.started.store(work.started, Relaxed);
            self.soft_deadline.store(work.soft_deadline, Relaxed);
            self.hard_deadline.store(work.hard_deadline, Relaxed);
            text::write(&self.label, work.label);
            text::write(&self.id, &[work.id]);
            text::write(&self.trace, &[work.trace_id]);
            self.kind.store(work.kind.code(), Relaxed);
        });
    }

    pub(super) fn clear(&self) {
        self.change(|| self.kind.store(0, Relaxed));
    }

    /// A seqlock's writing side: readers see all of the change or none of it.
    pub(super) fn change(&self, write: impl FnOnce()) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        fence(Release);
        write();
        self.sequence.store(sequence.wrapping_add(2), Release);
    }
}

/// The place of the calling thread on the board that answers. Runs in a signal handler: loads, and one
/// system call.
fn asked() -> Option<(&'static Thread, &'static Stack)> {
    let board = ASKED.get()?;
    let tid = own_tid();
    let places = board.threads.iter().zip(&board.stacks);
    places
        .into_iter()
        .find(|(thread, _)| thread.tid.load(Relaxed) == tid)
}

/// Runs in a signal handler. Calls outside the poll are the runtime's.
fn outermost() -> usize {
    let mark = asked().map_or(0, |(thread, _)| thread.mark.load(Relaxed));
    usize::try_from(mark).unwrap_or(0)
}

/// Runs in a signal handler.
fn record(addresses: &[usize], omitted: usize) {
    let Some((_, stack)) = asked() else {
        return;
    };
    for (place, address) in stack.addresses.iter().zip(addresses) {
        place.store(*address as u64, Relaxed);
    }
    stack.count.store(addresses.len() as u64, Relaxed);
    stack.omitted.store(omitted as u64, Relaxed);
    let sequence = stack.sequence.load(Relaxed);
    stack.sequence.store(sequence.wrapping_add(1), Release);
}

fn own_tid() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}
