//! The stack's proxy in front of a pool, as visitors meet it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Target, get};
use crate::harness::{binary, say, signal};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

/// A running proxy; killed when the test ends.
struct Front {
    process: Child,
    target: Target,
    _directory: TempDir,
}

impl Front {
    /// Passes everything on to `application`.
    fn before(application: &Target) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let upstream = match application {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(path) => format!("unix:{}", path.display()),
        };
        let settings = format!(
            "[proxy]\nhttp = '127.0.0.1:0'\n\
             [[proxy.sites]]\nhosts = ['*']\n\
             [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
             [proxy.upstreams.app]\ntargets = ['{upstream}']\n"
        );
        std::fs::write(directory.path().join("default.toml"), settings).expect("settings");
        let mut process = Command::new(binary("kiuas-proxy"))
            .arg("serve")
            .env("KIUAS_CONFIG", directory.path())
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("log")).expect("log"))
            .spawn()
            .expect("kiuas-proxy");
        let output = BufReader::new(process.stdout.take().expect("output"));
        let address = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening http ")?.parse().ok())
            .expect("the proxy's address");
        Self {
            process,
            target: Target::Tcp(address),
            _directory: directory,
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn rolls_behind_the_proxy_lose_nothing(trouble: &Trouble) {
    let pool = trouble.start();
    let front = Front::before(&trouble.target(&pool));
    let load = Load::of(&front.target, Client::of_all_kinds());
    load.goes_on(50);
    for round in 1..=5 {
        trouble.version(&format!("VERSION=roll-{round}"));
        pool.signal(Signal::HUP);
        pool.wait_for("roll done", round);
    }
    load.goes_on(50);
    let outcome = load.finish();
    outcome.is_flawless(&pool.output());
    let answer = get(&front.target, "/hello").expect("answer");
    assert_eq!(answer.header("x-version"), Some("roll-5"));
    say(&format!(
        "5 rolls behind the proxy: {} answered, the longest in {:?}",
        outcome.answered, outcome.longest
    ));
}

#[test]
fn rolls_behind_the_proxy_lose_nothing_on_tcp() {
    rolls_behind_the_proxy_lose_nothing(&Trouble::new());
}

#[test]
fn rolls_behind_the_proxy_lose_nothing_on_a_unix_socket() {
    rolls_behind_the_proxy_lose_nothing(&Trouble::new().on_unix_socket());
}

#[test]
fn killed_children_cost_visitors_of_the_proxy_nothing_that_can_be_repeated() {
    let trouble = Trouble::new().set("processes = 3");
    let pool = trouble.start();
    let front = Front::before(&trouble.target(&pool));
    let load = Load::of(
        &front.target,
        [Client::keeping("/hello"), Client::fresh("/hello")],
    );
    for round in 0..8 {
        let children = pool.children();
        signal(children[round % children.len()], Signal::KILL);
        load.goes_on(40);
    }
    load.finish().is_flawless(&pool.output());
}
