//! What a supervisor reads of a real child: its scoreboard, and how it takes the supervisor's signals.

use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use kiuas_common::Address;
use kiuas_common::listener::Stream;
use kiuas_common::scoreboard::{Kind, Scoreboard, SlotView, Snapshot, State, VARIABLE};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{Client, soon};

const SECOND: u64 = 1_000_000_000;

/// The example `trouble` as a supervisor starts it: with a socket and a board.
struct Child {
    process: std::process::Child,
    board: Scoreboard,
    directory: TempDir,
}

impl Child {
    fn start(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let listener = UnixListener::bind(directory.path().join("web.sock")).expect("socket");
        listener.set_nonblocking(true).expect("socket");
        let (board, descriptor) = Scoreboard::create().expect("board");
        let descriptors = [listener.into(), descriptor];
        let mappings = descriptors.into_iter().zip(3..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        let log = File::create(directory.path().join("log")).expect("log");
        let process = Command::new(program())
            .env(VARIABLE, "4")
            .env("LISTEN_FDS", "1")
            .env("KIUAS_CONFIG", directory.path())
            .envs(variables.iter().copied())
            .env("HOLD_START", directory.path().join("go"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .fd_mappings(mappings.collect())
            .expect("descriptors")
            .spawn()
            .expect("trouble");
        Self {
            process,
            board,
            directory,
        }
    }

    /// Its threads may go on.
    fn may_start(&self) {
        std::fs::write(self.directory.path().join("go"), "").expect("file");
    }

    async fn ready(variables: &[(&str, &str)]) -> Self {
        let child = Self::start(variables);
        child.may_start();
        child.is(State::Ready).await;
        child
    }

    async fn is(&self, state: State) {
        self.shows(|seen| (seen.state == state).then_some(())).await;
    }

    /// Waits until the board shows it.
    async fn shows<T>(&self, mut what: impl FnMut(&Snapshot) -> Option<T>) -> T {
        soon(until(|| what(&self.board.snapshot()))).await
    }

    /// Waits until a request runs under this label.
    async fn runs(&self, label: &str) -> SlotView {
        let of = |seen: &Snapshot| seen.slots.iter().find(|it| it.label == label).cloned();
        self.shows(of).await
    }

    /// Waits until its log has it.
    async fn says(&self, text: &str) {
        let log = self.directory.path().join("log");
        let says = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
        soon(until(|| says().then_some(()))).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).expect("pid");
        kill_process(Pid::from_raw(pid).expect("pid"), signal).expect("signal");
    }

    /// Waits until it does something of its own on `signal`.
    async fn handles(&self, signal: Signal) {
        let status = format!("/proc/{}/status", self.process.id());
        let handles = || {
            let status = std::fs::read_to_string(&status).expect("status");
            let line = status.lines().find_map(|it| it.strip_prefix("SigCgt:"));
            let caught = u64::from_str_radix(line.expect("line").trim(), 16).expect("bits");
            (caught >> (signal.as_raw() - 1) & 1 == 1).then_some(())
        };
        soon(until(handles)).await;
    }

    async fn connect(&self) -> Client {
        let address = Address::Unix(self.directory.path().join("web.sock"));
        Client::new(Stream::connect(&address).await.expect("connection"))
    }

    async fn asks(&self, path: &str) -> Client {
        let mut client = self.connect().await;
        client.send("GET", path, &[], "").await.expect("sent");
        client
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = condition() {
            return value;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn program() -> PathBuf {
    let test = std::env::current_exe().expect("path of the test");
    let target = test.parent().and_then(Path::parent);
    let program = target.expect("target directory").join("examples/trouble");
    let build = "cargo build -p kiuas-web --example trouble";
    assert!(program.exists(), "{program:?} is missing: `{build}`");
    program
}

#[tokio::test]
async fn a_request_is_on_the_board_of_its_process_from_begin_to_end() {
    let child = Child::ready(&[
        ("KIUAS__WEB__REQUEST_TIMEOUT", "40s"),
        ("KIUAS__WEB__HARD_GRACE", "7s"),
    ])
    .await;
    let mut client = child.connect().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [("X-Request-Id", "abc-1"), ("traceparent", &traceparent)];
    let sent = client.send("GET", "/sleep?ms=3000", &headers, "").await;
    sent.expect("sent");

    let slot = child.runs("GET /sleep").await;

    assert_eq!((slot.kind, slot.id.as_str()), (Kind::Request, "abc-1"));
    assert_eq!(slot.trace_id, trace);
    let soft = slot.soft_deadline.expect("soft");
    assert_eq!(soft - slot.started, 40 * SECOND);
    assert_eq!(slot.hard_deadline.expect("hard") - soft, 7 * SECOND);
    let seen = child.board.snapshot();
    assert!(seen.has_requests && seen.has_stack_handler && seen.ready_at.is_some());
    assert_eq!((seen.connections(), seen.in_flight()), (1, 1));
    let thread = seen.thread(slot.thread.expect("thread")).expect("thread");
    let (pid, tid) = (child.process.id(), thread.tid);
    assert!(Path::new(&format!("/proc/{pid}/task/{tid}")).exists());
    let answer = soon(client.answer()).await;
    assert_eq!(answer.expect("answer").body, "slept");
    drop(client);
    let left = |seen: &Snapshot| (seen.slots.is_empty() && seen.connections() == 0).then_some(());
    child.shows(left).await;
    assert_eq!(child.connect().await.get("/hello").await.status, 200);
    let seen = child.board.snapshot();
    assert_eq!((seen.requests(), seen.answers()), (2, [0, 2, 0, 0, 0]));
}

#[tokio::test]
async fn a_pause_lets_what_runs_go_on_and_takes_nothing_new() {
    let child = Child::ready(&[]).await;
    let mut runs = child.asks("/sleep?ms=300").await;
    child.runs("GET /sleep").await;
    child.signal(Signal::TSTP);
    child.is(State::Paused).await;
    let mut waits = child.asks("/hello").await;
    let slept = soon(runs.answer()).await.expect("answer");
    assert_eq!(slept.body, "slept");
    assert_eq!(child.board.snapshot().requests(), 1);
    child.signal(Signal::CONT);
    child.is(State::Ready).await;
    assert_eq!(
        soon(waits.answer()).await.expect("answer").body,
        "Hello, world!"
    );
}

#[tokio::test]
async fn the_end_of_a_pause_before_readiness_is_not_shown_as_readiness() {
    let child = Child::start(&[]);
    child.handles(Signal::CONT).await;
    child.signal(Signal::TSTP);
    child.says("pausing").await;
    assert_eq!(child.board.snapshot().state, State::Starting);
    child.signal(Signal::CONT);
    child.says("resuming").await;
    let seen = child.board.snapshot();
    assert_eq!((seen.state, seen.ready_at), (State::Starting, None));
    child.may_start();
    child.is(State::Ready).await;
}

#[tokio::test]
async fn a_handler_that_holds_its_thread_is_overdue_after_its_grace_and_its_thread_silent() {
    let child = Child::ready(&[
        ("KIUAS__WEB__THREADS", "2"),
        ("KIUAS__WEB__REQUEST_TIMEOUT", "300ms"),
        ("KIUAS__WEB__HARD_GRACE", "400ms"),
    ])
    .await;
    let _stuck = child.asks("/spin").await;
    let overdue = |seen: &Snapshot| {
        let slot = seen.slots.iter().find(|it| it.label == "GET /spin")?;
        let thread = seen.thread(slot.thread?)?;
        let silence = thread.silence(seen.taken_at);
        let holds = thread.polled == Some(slot.index) && silence > SECOND;
        (holds && slot.is_overdue(seen.taken_at)).then(|| slot.clone())
    };
    let slot = child.shows(overdue).await;
    let grace = slot.hard_deadline.expect("hard") - slot.soft_deadline.expect("soft");
    assert_eq!(grace, 400_000_000);
    // The other thread goes on, and gives up what merely waits.
    let mut late = child.asks("/pending").await;
    assert_eq!(soon(late.answer()).await.expect("answer").status, 504);
    let seen = child.board.snapshot();
    assert_eq!(seen.sum(|thread| thread.soft_timeouts), 1);
}

#[tokio::test]
async fn the_body_of_an_answer_has_no_deadline_once_its_handler_has_answered() {
    let limits = [
        ("KIUAS__WEB__REQUEST_TIMEOUT", "300ms"),
        ("KIUAS__WEB__HARD_GRACE", "100ms"),
    ];
    let child = Child::ready(&limits).await;
    let mut client = child.asks("/stream?parts=12&ms=1000").await;
    let long = 600_000_000;
    let seen = |seen: &Snapshot| {
        let slot = seen.slots.first()?;
        (slot.age(seen.taken_at) > long).then(|| slot.clone())
    };
    let slot = child.shows(seen).await;
    assert_eq!(
        (slot.kind, slot.label.as_str()),
        (Kind::Request, "GET /stream")
    );
    assert_eq!((slot.soft_deadline, slot.hard_deadline), (None, None));
    let answer = soon(client.answer()).await.expect("answer");
    assert_eq!(answer.body.lines().count(), 12);
}
