//! uWSGI's own `uwsgitop` runs against the pool's statistics server.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use kiuas_common::testing::python_with;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::binary;
use crate::harness::process::{Process, Start};
use crate::harness::run::RunDirectory;

const REQUESTS: u64 = 17;

#[tokio::test]
async fn uwsgitop_shows_the_pool_over_tcp_unix_and_http() {
    let Some(programs) = python_with("uwsgitop", "uwsgitop==0.12") else {
        return;
    };
    let uwsgitop = programs.join("uwsgitop");
    for (stats, http) in [("tcp", "false"), ("unix", "false"), ("tcp", "true")] {
        let run = RunDirectory::create();
        let socket = run.join("stats.sock").display().to_string();
        let address = match stats {
            "unix" => format!("unix:{socket}"),
            _ => "127.0.0.1:0".to_owned(),
        };
        let mut pool = start(&run, &address, http);
        pool.ready().await;
        ask(&pool).await;
        let announced = pool.listening("stats").expect("a statistics server");
        let shown = match (stats, http) {
            ("unix", _) => socket.clone(),
            (_, "true") => format!("http://{announced}/"),
            _ => announced,
        };
        wait_until_counted(&control(&run)).await;
        let screen = screen(&run, &uwsgitop, &shown).await;
        assert!(screen.contains("uwsgi-kiuas-"), "{screen}");
        assert!(
            screen.contains(&format!("masterpid: {}", pool.pid())),
            "{screen}"
        );
        assert!(screen.contains("idle"), "{screen}");
        pool.stop().await;
    }
}

fn start(run: &RunDirectory, stats: &str, http: &str) -> Process {
    Start::new("pool", binary("kiuas-pool"))
        .args(["run", "--processes", "2", "--listen", "127.0.0.1:0", "--"])
        .args([binary("examples/trouble")])
        .env("KIUAS_CONFIG", run.path())
        .env("KIUAS__POOL__WEB__CONTROL", control(run))
        .env("KIUAS__POOL__WEB__STATS", stats)
        .env("KIUAS__POOL__WEB__STATS_HTTP", http)
        .spawn(run)
}

fn control(run: &RunDirectory) -> String {
    format!("unix:{}", run.join("control.sock").display())
}

async fn ask(pool: &Process) {
    let address: SocketAddr = pool
        .listening("web")
        .and_then(|address| address.parse().ok())
        .expect("an address");
    for _ in 0..REQUESTS {
        let mut stream = TcpStream::connect(address).await.expect("connection");
        let request = b"GET /hello HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// Waits until the pool has counted all of them: its monitor looks ten times a second, and a terminal
/// shows what changes later in pieces.
async fn wait_until_counted(control: &str) {
    eventually("the requests to be counted", PATIENCE, async || {
        let output = Command::new(binary("kiuas-pool"))
            .args(["ctl", "--control", control, "stats"])
            .output()
            .expect("kiuas-pool ctl");
        let stats: Value = serde_json::from_slice(&output.stdout).ok()?;
        let workers = stats["workers"].as_array()?.iter();
        let requests = workers.filter_map(|worker| worker["requests"].as_u64());
        (requests.sum::<u64>() == REQUESTS).then_some(())
    })
    .await;
}

/// What the program has drawn on a terminal when it shows the requests.
async fn screen(run: &RunDirectory, program: &Path, address: &str) -> String {
    let drawn = run.join("screen");
    let command = format!(
        "stty rows 40 columns 180; exec {} {address}",
        program.display()
    );
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(File::create(&drawn).expect("file"))
        .spawn()
        .expect("`script` of util-linux");
    let text = || fs::read_to_string(&drawn).unwrap_or_default();
    let shown = eventually("uwsgitop to show the requests", PATIENCE, async || {
        Some(text()).filter(|text| text.contains(&format!("req: {REQUESTS} ")))
    })
    .await;
    let mut keys = child.stdin.take().expect("its input");
    keys.write_all(b"q").expect("a key");
    let status = child.wait().expect("its end");
    assert!(status.success(), "{status}: {}", text());
    shown
}
