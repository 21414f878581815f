//! Keep-alive connections are spread evenly over the children, whoever comes and goes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;

use rustix::process::Signal;

use crate::harness::{PATIENCE, Pool, echo_child, eventually, is_alive, signal};

const CHILDREN: usize = 4;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 4;

/// An application of the stack: `echo_child` accepts as it likes.
fn application() -> Vec<String> {
    let program = echo_child().with_file_name("trouble");
    assert!(
        program.exists(),
        "{} is built by `cargo build -p kiuas-web --example trouble`",
        program.display()
    );
    vec![program.to_str().expect("UTF-8").to_owned()]
}

fn start() -> Pool {
    let arguments = ["--processes", "4", "--listen", "127.0.0.1:0"];
    let pool = Pool::start(&arguments, &application());
    pool.wait_until_ready();
    pool
}

/// A connection that stays open, and who serves it.
struct Kept {
    stream: TcpStream,
    pid: i32,
}

impl Kept {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connection");
        Self { stream, pid: 0 }
    }

    fn ask(&mut self) {
        let stream = &mut self.stream;
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream
            .write_all(b"GET /pid HTTP/1.1\r\nhost: test\r\n\r\n")
            .expect("request");
        let mut text = Vec::new();
        let body = loop {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).expect("answer");
            assert!(length > 0, "closed after {text:?}");
            text.extend_from_slice(&part[..length]);
            let answer = String::from_utf8_lossy(&text);
            match answer.split_once("\r\n\r\n") {
                // It is sent at once.
                Some((_, body)) if !body.is_empty() => break body.to_owned(),
                _ => {}
            }
        };
        self.pid = body.trim().parse().expect("pid");
    }

    /// Comes back when the child has closed it too.
    fn close(mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
        drop(self.stream.read_to_end(&mut Vec::new()));
    }
}

fn one_by_one(address: SocketAddr, count: usize) -> Vec<Kept> {
    let open = |_| {
        let mut kept = Kept::open(address);
        kept.ask();
        kept
    };
    (0..count).map(open).collect()
}

fn at_once(address: SocketAddr, count: usize) -> Vec<Kept> {
    let mut all: Vec<Kept> = (0..count).map(|_| Kept::open(address)).collect();
    all.iter_mut().for_each(Kept::ask);
    all
}

fn assert_even(what: &str, connections: &[Kept]) {
    let mut spread = BTreeMap::<i32, usize>::new();
    for kept in connections {
        *spread.entry(kept.pid).or_default() += 1;
    }
    let share = connections.len() / CHILDREN;
    let even = spread.values().all(|count| count.abs_diff(share) <= 1);
    assert!(
        even && spread.len() == CHILDREN,
        "{what}: {:?} connections by child",
        spread.values()
    );
}

#[test]
fn keep_alive_connections_are_spread_evenly_one_by_one_and_in_a_burst() {
    let pool = start();
    let address = pool.address("web");
    for round in 0..ROUNDS {
        let slowly = one_by_one(address, CONNECTIONS);
        assert_even(&format!("one by one, round {round}"), &slowly);
        slowly.into_iter().for_each(Kept::close);
        let burst = at_once(address, CONNECTIONS);
        assert_even(&format!("burst, round {round}"), &burst);
        burst.into_iter().for_each(Kept::close);
    }
}

/// Kills a child and lets its clients come again.
fn replace_one(pool: &Pool, mut connections: Vec<Kept>) -> Vec<Kept> {
    let victim = connections.first().expect("connection").pid;
    let before = pool.children();
    signal(victim, Signal::KILL);
    let new = eventually("a new child", || {
        let children = pool.children();
        children.into_iter().find(|pid| !before.contains(pid))
    });
    pool.wait_for(&format!("process {new} is ready"), 1);
    connections.retain(|kept| kept.pid != victim);
    let lost = CONNECTIONS - connections.len();
    connections.extend(one_by_one(pool.address("web"), lost));
    connections
}

#[test]
fn a_new_child_gets_its_share_also_from_a_pool_that_was_upgraded() {
    let pool = start();
    let mut connections = at_once(pool.address("web"), CONNECTIONS);
    for round in 1..=2 {
        connections = replace_one(&pool, connections);
        assert_even(&format!("child {round} replaced"), &connections);
    }
    pool.signal(Signal::USR2);
    pool.wait_for("every child is still here", 1);
    connections = replace_one(&pool, connections);
    assert_even("child replaced after an upgrade", &connections);
}

/// True if no thread of it runs.
fn stands_still(pid: i32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    tasks.filter_map(Result::ok).all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        state.starts_with('T')
    })
}

#[test]
fn a_child_that_is_stopped_holds_up_no_connection() {
    let pool = start();
    let connections = one_by_one(pool.address("web"), CONNECTIONS);
    // It has the fewest from now on, and takes none.
    let stopped = connections[0].pid;
    signal(stopped, Signal::STOP);
    eventually("it stands still", || stands_still(stopped).then_some(()));
    let (with, rest): (Vec<_>, Vec<_>) = connections
        .into_iter()
        .partition(|kept| kept.pid == stopped);
    drop(with);
    let more = one_by_one(pool.address("web"), CONNECTIONS / 4);
    assert!(more.iter().all(|kept| kept.pid != stopped));
    signal(stopped, Signal::CONT);
    assert!(rest.iter().all(|kept| is_alive(kept.pid)));
}

/// What a child that takes its sockets in its own way finds.
fn foreign(inherit: &str) -> String {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("told");
    let script = format!(
        "{{ env; ls -l /proc/self/fd; }} >{0}.new; mv {0}.new {0}; exec sleep 1000",
        file.display()
    );
    let text = format!(
        "[pool.web]\nprocesses = 1\nready_after = '50ms'\nready = 'after'\ninherit = '{inherit}'\n"
    );
    let command = ["sh".to_owned(), "-c".to_owned(), script];
    // Nor may it take another pool's for its own.
    let nested = |pool: &mut std::process::Command| {
        pool.env("KIUAS_BALANCE_FD", "9");
    };
    let arguments = ["--listen", "127.0.0.1:0"];
    let pool = Pool::start_with(&text, &arguments, &command, nested);
    pool.wait_until_ready();
    eventually("what the child tells", || read(&file))
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

#[test]
fn children_that_take_sockets_in_another_way_see_nothing_of_it() {
    for inherit in ["bare_fd", "none"] {
        let told = foreign(inherit);
        assert!(!told.contains("KIUAS_BALANCE_FD"), "{told}");
        assert!(!told.contains("kiuas-balance"), "{told}");
    }
    let told = foreign("listen_fds");
    assert!(
        told.contains("KIUAS_BALANCE_FD=") && told.contains("kiuas-balance"),
        "{told}"
    );
}
