use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use proptest::prelude::*;

use super::layout::Board;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn pair() -> (Scoreboard, Writer) {
    let (scoreboard, descriptor) = Scoreboard::create().unwrap();
    (scoreboard, Writer::on(descriptor).unwrap())
}

fn work<'a>(label: &'a [&'a str]) -> Work<'a> {
    Work {
        kind: Kind::Request,
        label,
        id: "0190-id",
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        started: now(),
        soft_deadline: 5,
        hard_deadline: 7,
    }
}

#[test]
fn a_board_that_nobody_writes_is_empty() {
    let (scoreboard, _descriptor) = Scoreboard::create().unwrap();
    let snapshot = scoreboard.snapshot();
    assert!(!snapshot.is_written);
    assert!(snapshot.threads.is_empty() && snapshot.slots.is_empty());
}

#[test]
fn a_request_is_seen_from_its_begin_to_its_end() {
    let (scoreboard, writer) = pair();
    let thread = writer.thread().unwrap();
    let slot = thread.begin(&work(&["GET", "/polls"]));
    let seen = scoreboard.snapshot();
    assert_eq!(seen.slots.len(), 1);
    let view = &seen.slots[0];
    assert_eq!(
        (view.kind, view.label.as_str()),
        (Kind::Request, "GET /polls")
    );
    assert_eq!(view.id, "0190-id");
    assert_eq!(view.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((view.soft_deadline, view.hard_deadline), (Some(5), Some(7)));
    assert!(view.is_overdue(seen.taken_at) && view.age(seen.taken_at) < 1 << 40);
    assert_eq!(seen.in_flight(), 1);
    slot.set_kind(Kind::Websocket);
    slot.set_deadlines(0, 0);
    let view = &scoreboard.snapshot().slots[0];
    assert_eq!((view.kind, view.hard_deadline), (Kind::Websocket, None));
    drop(slot);
    let seen = scoreboard.snapshot();
    assert!(seen.slots.is_empty());
    assert_eq!((seen.requests(), seen.in_flight()), (1, 0));
}

#[test]
fn the_request_that_is_being_polled_is_known_and_marks_nest() {
    let (scoreboard, writer) = pair();
    let thread = writer.thread().unwrap();
    let (outer, inner) = (thread.begin(&work(&["a"])), thread.begin(&work(&["b"])));
    let polled = || {
        let seen = scoreboard.snapshot();
        let slot = seen.threads[0].polled?;
        assert!(seen.threads[0].poll_since.is_some());
        seen.slot(slot).map(|slot| slot.label.clone())
    };
    assert_eq!(polled(), None);
    let mark = outer.polling();
    assert_eq!(polled().as_deref(), Some("a"));
    let nested = inner.polling();
    assert_eq!(polled().as_deref(), Some("b"));
    drop(nested);
    assert_eq!(polled().as_deref(), Some("a"));
    drop(mark);
    assert_eq!(polled(), None);
}

#[test]
fn counters_of_all_threads_are_summed() {
    let (scoreboard, writer) = pair();
    let count = move || {
        let thread = writer.thread().unwrap();
        thread.answered(200, 10);
        thread.answered(503, 5);
        thread.timed_out();
        thread.panicked();
        thread.refused_client_gone();
        thread.waited(3_000_000);
        thread.set_connections(4);
        thread.beat(99);
        thread
    };
    let here = count();
    std::thread::spawn(move || drop(count())).join().unwrap();
    let seen = scoreboard.snapshot();
    assert_eq!((seen.threads.len(), seen.ended.len()), (1, 1));
    assert_eq!(seen.answers(), [0, 2, 0, 0, 2]);
    assert_eq!(seen.sum(|thread| thread.handling), 30);
    // What a thread has counted outlives it, what it had open does not.
    assert_eq!((seen.connections(), seen.refused().client_gone), (4, 2));
    assert_eq!(seen.queue_times().counts[2], 2);
    assert_eq!(seen.queue_times().sum, 6_000_000);
    assert!(seen.threads[0].silence(seen.taken_at) < 1 << 40);
    drop(here);
}

#[test]
fn the_place_of_a_thread_that_ended_is_given_to_another() {
    let (scoreboard, writer) = pair();
    // Many more than there are places.
    for _ in 0..2 * THREADS {
        let task = move || drop(writer.begin_task(&work(&["polls.count"])).polling());
        std::thread::spawn(task).join().unwrap();
    }
    let seen = scoreboard.snapshot();
    assert!(seen.threads.is_empty());
    assert_eq!(seen.ended.len(), 1);
    assert_eq!(seen.requests(), 2 * THREADS as u64);
}

#[test]
fn a_thread_is_busy_while_it_polls_a_task() {
    let (scoreboard, writer) = pair();
    let task = writer.begin_task(&Work {
        kind: Kind::Task,
        ..work(&["polls.count"])
    });
    assert_eq!(scoreboard.snapshot().in_flight(), 1);
    let mark = task.polling();
    std::thread::sleep(Duration::from_millis(20));
    drop(mark);
    let busy = scoreboard.snapshot().threads[0].loop_busy;
    assert!(busy >= 20_000_000, "{busy}");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(scoreboard.snapshot().threads[0].loop_busy, busy);
    task.set_deadlines(0, 7);
    let seen = scoreboard.snapshot();
    assert_eq!(
        (seen.slots[0].soft_deadline, seen.slots[0].hard_deadline),
        (None, Some(7))
    );
}

#[test]
fn more_work_than_slots_runs_without_one_and_is_counted() {
    let (scoreboard, writer) = pair();
    let thread = writer.thread().unwrap();
    let all: Vec<_> = (0..SLOTS + 3)
        .map(|_| thread.begin(&work(&["x"])))
        .collect();
    let seen = scoreboard.snapshot();
    assert_eq!((seen.slots.len(), seen.untracked), (SLOTS, 3));
    assert_eq!(seen.in_flight(), SLOTS as u64 + 3);
    drop(all);
    let _one = thread.begin(&work(&["y"]));
    assert_eq!(scoreboard.snapshot().slots.len(), 1);
}

#[test]
fn a_task_moves_between_threads() {
    let (scoreboard, writer) = pair();
    let task = writer.begin_task(&Work {
        kind: Kind::Task,
        ..work(&["polls.count"])
    });
    let moved = std::thread::spawn(move || {
        let mark = task.polling();
        let seen = scoreboard.snapshot();
        let at = seen.slots[0].thread.unwrap();
        assert_eq!(seen.thread(at).unwrap().polled, Some(seen.slots[0].index));
        drop(mark);
        task.ended(200, 1);
        drop(task);
        scoreboard
    });
    let seen = moved.join().unwrap().snapshot();
    assert!(seen.slots.is_empty());
    assert_eq!((seen.requests(), seen.answers()[1]), (1, 1));
}

#[test]
fn a_thread_that_one_task_keeps_gets_no_heartbeat() {
    let (scoreboard, writer) = pair();
    let task = writer.begin_task(&work(&["polls.count"]));
    let beats = |count: usize| {
        // Longer than the coarse clock is late.
        (0..count).for_each(|_| {
            std::thread::sleep(Duration::from_millis(20));
            writer.beat_for_idle_threads();
        });
        scoreboard.snapshot().threads[0].heartbeat
    };
    let idle = beats(1);
    assert!(beats(1) > idle);
    std::thread::sleep(Duration::from_millis(20));
    let mark = task.polling();
    let kept = beats(1);
    assert_eq!(beats(3), kept, "one poll has kept the thread all the time");
    drop(mark);
    assert!(beats(1) > kept);
}

/// The stack of the only thread, once it has written one.
fn stack_of(scoreboard: &Scoreboard) -> StackView {
    let seen = scoreboard.snapshot();
    assert!(seen.has_stack_handler);
    let (index, tid) = (seen.threads[0].index, seen.threads[0].tid);
    let before = scoreboard.stack(index).unwrap().sequence;
    crate::kernel::stack::ask(std::process::id().cast_signed(), tid).unwrap();
    let begin = Instant::now();
    loop {
        let stack = scoreboard.stack(index).unwrap();
        if stack.sequence != before {
            return stack;
        }
        assert!(begin.elapsed() < PATIENCE, "no stack came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the runtime does around a poll, and then the handler.
#[inline(never)]
fn machinery(depth: u32, poll: &dyn Fn()) -> u32 {
    if depth == 0 {
        poll();
        return 0;
    }
    std::hint::black_box(machinery(depth - 1, poll)) + 1
}

#[inline(never)]
fn handler(depth: u32, wait: &dyn Fn()) -> u32 {
    machinery(depth, wait) + 1
}

#[test]
fn a_thread_shows_its_stack_from_the_poll_inwards_however_deep() {
    let (scoreboard, writer) = pair();
    writer.answer_for_stacks().unwrap();
    for (depth, is_cut) in [(20, false), (3000, true)] {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            let thread = writer.thread().unwrap();
            let wait = || {
                ready.send(()).unwrap();
                assert!(ended.recv().is_err());
            };
            let poll = || {
                let request = thread.begin(&work(&["GET", "/deep"]));
                let mark = request.polling();
                std::hint::black_box(handler(depth, &wait));
                drop(mark);
            };
            machinery(300, &poll);
        });
        is_ready.recv().unwrap();
        let stack = stack_of(&scoreboard);
        assert_eq!(stack.omitted > 0, is_cut, "{stack:?}");
        assert!(stack.addresses.iter().all(|address| *address > 4096));
        let start = handler as *const () as usize as u64;
        let is_handler = |address: &u64| (start..start + 200).contains(address);
        let place = stack.addresses.iter().rposition(is_handler);
        let rest = stack.addresses.len() - place.expect("the handler is on the stack");
        assert!(rest < 20, "{rest} calls outside the handler: {stack:?}");
        drop(end);
        sleeper.join().unwrap();
    }
    assert!(scoreboard.stack(THREADS).is_none());
}

#[test]
fn a_child_writes_through_an_inherited_descriptor_what_its_parent_reads() {
    if let Some(writer) = Writer::from_environment() {
        let thread = writer.thread().unwrap();
        let _slot = thread.begin(&work(&["GET", "/from/the/child"]));
        writer.set_state(State::Ready);
        // Until the parent has seen it.
        drop(std::io::read_to_string(std::io::stdin()));
        return;
    }
    let (scoreboard, descriptor) = Scoreboard::create().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "--nocapture"])
        .arg("scoreboard::tests::a_child_writes_through_an_inherited_descriptor_what_its_parent_reads")
        .env(VARIABLE, "7")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .fd_mappings(vec![FdMapping {
            parent_fd: descriptor,
            child_fd: 7,
        }])
        .unwrap();
    let mut child = child.spawn().unwrap();
    let begin = Instant::now();
    let seen = loop {
        let seen = scoreboard.snapshot();
        if seen.state == State::Ready && !seen.slots.is_empty() {
            break seen;
        }
        assert!(begin.elapsed() < PATIENCE, "{seen:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(seen.pid, child.id());
    assert!(seen.ready_at.is_some());
    assert_eq!(seen.slots[0].label, "GET /from/the/child");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_slot_that_is_used_again_and_again_is_never_read_half_old() {
    let (scoreboard, writer) = pair();
    let writing = std::thread::spawn(move || {
        let thread = writer.thread().unwrap();
        for round in 0..20_000_u64 {
            let text = round.to_string();
            let label = [text.as_str()];
            drop(thread.begin(&Work {
                id: &text,
                started: round + 1,
                ..work(&label)
            }));
        }
    });
    while !writing.is_finished() {
        for slot in scoreboard.snapshot().slots {
            assert_eq!(slot.label, slot.id);
            assert_eq!(slot.label, (slot.started - 1).to_string());
        }
    }
    writing.join().unwrap();
}

fn check_bounds(scoreboard: &Scoreboard) {
    let seen = scoreboard.snapshot();
    assert!(seen.threads.len() + seen.ended.len() <= THREADS && seen.slots.len() <= SLOTS);
    for thread in &seen.threads {
        assert!(thread.tid > 0 && thread.index < THREADS);
        assert!(thread.polled.is_none_or(|slot| slot < SLOTS));
        assert!(thread.heartbeat <= seen.taken_at);
        assert!(thread.poll_since.is_none_or(|at| at <= seen.taken_at));
        let _silence = thread.silence(0);
    }
    for slot in &seen.slots {
        assert!(slot.index < SLOTS && slot.started <= seen.taken_at);
        assert!(slot.thread.is_none_or(|thread| thread < THREADS));
        for (text, most) in [(&slot.label, 120), (&slot.id, 40), (&slot.trace_id, 32)] {
            assert!(text.chars().count() <= most && !text.chars().any(char::is_control));
        }
    }
    let _sums = (seen.answers(), seen.refused(), seen.queue_times());
    for thread in 0..THREADS {
        assert!(scoreboard.stack(thread).unwrap().addresses.len() <= 256);
    }
    serde_json::to_string(&seen).unwrap();
}

fn scribbled(bytes: &[u8], at: u64) -> Scoreboard {
    let (scoreboard, descriptor) = Scoreboard::create().unwrap();
    let memory = std::fs::File::from(descriptor.try_clone().unwrap());
    let writer = Writer::on(descriptor).unwrap();
    let thread = writer.thread().unwrap();
    std::mem::forget(thread.begin(&work(&["GET", "/"])));
    memory.write_all_at(bytes, at).unwrap();
    scoreboard
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_board_of_random_bytes_harms_only_its_own_figures(seed in any::<u64>(), keep_head in any::<bool>()) {
        let mut state = seed | 1;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            // xorshift64: proptest would take seconds to make as many bytes.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .flatten()
        .take(size_of::<Board>())
        .collect();
        let from = if keep_head { 12 } else { 0 };
        check_bounds(&scribbled(&bytes[from..], from as u64));
    }

    #[test]
    fn single_wrong_words_harm_only_their_own_figures(
        at in 0..size_of::<Board>() as u64 / 8,
        word in prop_oneof![Just(0), Just(u64::MAX), Just(1), any::<u64>()],
    ) {
        check_bounds(&scribbled(&word.to_le_bytes(), at * 8));
    }
}

#[test]
fn only_boards_are_taken_for_boards() {
    let file = OwnedFd::from(tempfile::tempfile().unwrap());
    assert!(Writer::on(file.try_clone().unwrap()).is_err());
    assert!(Scoreboard::open(&file).is_err());
}
