//! Servers that know nothing of us under the same pool: gunicorn, which takes inherited sockets as systemd
//! hands them on.

use std::path::PathBuf;

use kiuas_common::testing::python_with;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Target, get};
use crate::harness::{Pool, eventually, is_alive, say};
use crate::load::{Client, Load};

/// A WSGI application that says in which process it runs, and can grow.
const APPLICATION: &str = r#"
import os, time

kept = []

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/leak":
        kept.append(b"x" * (80 << 20))
    elif path == "/slow":
        time.sleep(0.2)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#;

/// A pool of gunicorns.
struct Gunicorn {
    pool: Pool,
    target: Target,
    _directory: TempDir,
}

impl Gunicorn {
    /// Two, each with a process of its own below it; `None`, loudly, where there is no gunicorn.
    fn start(lines: &str) -> Option<Self> {
        let programs = python_with("gunicorn", "gunicorn==27.*")?;
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("app.py"), APPLICATION).expect("application");
        let command = command(programs.join("gunicorn"));
        let text = format!(
            "[pool.web]\ndirectory = '{}'\nready = 'http'\nready_probe = '/'\n{lines}",
            directory.path().display()
        );
        let pool = Pool::start_with(&text, &["--listen", "127.0.0.1:0"], &command, |_| {});
        pool.wait_until_ready();
        Some(Self {
            target: Target::Tcp(pool.address("web")),
            pool,
            _directory: directory,
        })
    }

    fn answers(&self) {
        assert_eq!(get(&self.target, "/").expect("answer").status, 200);
    }
}

fn command(program: PathBuf) -> Vec<String> {
    let program = program.to_str().expect("UTF-8").to_owned();
    let arguments = [
        "--workers",
        "1",
        "--threads",
        "4",
        "--graceful-timeout",
        "10",
        "app",
    ];
    let arguments = arguments.map(|text| text.replace("app", "app:application"));
    std::iter::once(program).chain(arguments).collect()
}

#[test]
fn gunicorn_is_rolled_under_load_without_a_loss_on_new_connections() {
    let Some(gunicorn) = Gunicorn::start("") else {
        return;
    };
    let clients = [
        Client::fresh("/"),
        Client::fresh("/"),
        Client::fresh("/slow"),
    ];
    let load = Load::of(&gunicorn.target, clients.repeat(2));
    load.goes_on(20);
    for _ in 0..2 {
        gunicorn.pool.ctl(&["roll"]);
        load.goes_on(20);
    }
    let outcome = load.finish();
    outcome.is_flawless(&gunicorn.pool.output());
    say(&format!(
        "gunicorn: {} answered, the longest in {:?}",
        outcome.answered, outcome.longest
    ));
    // Who answers is not the process that the pool started, but one below it.
    let answer: i32 = get(&gunicorn.target, "/")
        .expect("answer")
        .body
        .parse()
        .expect("pid");
    assert!(!gunicorn.pool.children().contains(&answer));
}

#[test]
fn a_broken_gunicorn_leaves_the_old_one_serving() {
    let Some(gunicorn) = Gunicorn::start("backoff_min = '50ms'") else {
        return;
    };
    let load = Load::of(&gunicorn.target, [Client::fresh("/")]);
    let broken = gunicorn._directory.path().join("app.py");
    std::fs::write(broken, "import no_such_module\n").expect("application");
    let told = gunicorn.pool.try_ctl(&["roll"]);
    assert_eq!(
        told.status.code(),
        Some(1),
        "{}",
        crate::trouble::said(&told)
    );
    gunicorn.pool.wait_for("roll given up", 1);
    load.finish().is_flawless(&gunicorn.pool.output());
    gunicorn.answers();
}

#[test]
fn gunicorn_has_the_limits_of_a_process() {
    let lines = "min_lifetime = '1s'\nrss_soft = '150MiB'";
    let Some(gunicorn) = Gunicorn::start(lines) else {
        return;
    };
    let load = Load::of(&gunicorn.target, [Client::fresh("/")]);
    for _ in 0..4 {
        assert_eq!(get(&gunicorn.target, "/leak").expect("answer").status, 200);
    }
    gunicorn.pool.wait_for("cause=\"rss_soft\"", 1);
    load.finish().is_flawless(&gunicorn.pool.output());
    gunicorn.answers();
}

#[test]
fn gunicorn_ends_with_its_pool_and_leaves_nobody() {
    for number in [Signal::TERM, Signal::KILL] {
        let Some(mut gunicorn) = Gunicorn::start("") else {
            return;
        };
        let all = eventually("two, and one below each", || {
            let mut all = gunicorn.pool.children();
            for child in all.clone() {
                let list = format!("/proc/{child}/task/{child}/children");
                let list = std::fs::read_to_string(list).unwrap_or_default();
                let below = list.split_whitespace();
                all.extend(below.filter_map(|pid| pid.parse::<i32>().ok()));
            }
            (all.len() >= 4).then_some(all)
        });
        gunicorn.pool.signal(number);
        gunicorn.pool.wait_for_end();
        eventually("everybody is gone", || {
            (!all.iter().any(|pid| is_alive(*pid))).then_some(())
        });
    }
}
