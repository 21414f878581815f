//! What every request does now, and what has happened to children.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use super::{Seen, TCP};
use crate::client::Connection;
use crate::harness::{Orders, eventually, signal};

/// The requests of a dump, each with its thread.
fn dumped(dump: &Value) -> Vec<(Value, Value)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let threads = list(&dump["processes"])
        .into_iter()
        .flat_map(|it| list(&it["threads"]));
    threads
        .flat_map(|thread| {
            list(&thread["running"])
                .into_iter()
                .map(move |it| (it, thread.clone()))
        })
        .collect()
}

#[test]
fn a_dump_tells_of_every_request_what_it_does_and_where_its_thread_is() {
    let seen = Seen::start(TCP, &[]);
    let web = seen.address();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let _stuck = Connection::asking(web, "/deadlock");
    let (request, thread) = eventually("the stack of the deadlock", || {
        let all = dumped(&seen.report("dump"));
        all.into_iter().find(|(request, thread)| {
            request["label"] == "GET /deadlock" && thread["frames"].to_string().contains("deadlock")
        })
    });
    // Its thread accepts nothing any more.
    let mut waiting = TcpStream::connect(web).expect("connection");
    let ask = format!(
        "GET /sleep?ms=20000 HTTP/1.1\r\nhost: test\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\n\r\n"
    );
    waiting.write_all(ask.as_bytes()).expect("request");
    assert!(
        request["polled"].as_u64().is_some_and(|polled| polled > 0),
        "{request}"
    );
    let frames = thread["frames"].as_array().expect("frames");
    let own = frames
        .iter()
        .find(|frame| frame["library"] == false)
        .expect("a frame of its own");
    assert!(
        own["place"]
            .as_str()
            .is_some_and(|it| it.contains("trouble/faults.rs:")),
        "{own}"
    );
    assert!(frames.iter().any(|frame| frame["library"] == true));
    let (request, thread) = eventually("the request that waits", || {
        let all = dumped(&seen.report("dump"));
        all.into_iter()
            .find(|(request, _)| request["label"] == "GET /sleep")
    });
    assert_eq!(
        (&request["trace_id"], &request["polled"]),
        (&trace.into(), &Value::Null)
    );
    assert_eq!(request["silent"], false);
    assert!(
        thread["kernel"]
            .as_str()
            .is_some_and(|it| it.starts_with("sleeping")),
        "{thread}"
    );
    // Said of a thread that is silent for longer than one that is merely busy.
    let text = eventually("the thread has been silent for long enough", || {
        let text = seen.text("dump");
        text.contains("keeps its thread").then_some(text)
    });
    for part in ["GET /deadlock", "> ", "trouble/faults.rs:", trace] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_program_without_a_scoreboard_is_seen_from_the_kernels_side() {
    let orders = Orders::new("serve one");
    let seen = Seen::over(&orders.command(), TCP, &[]);
    let process = eventually("the monitor has seen both", || {
        let processes = seen.report("dump")["processes"].clone();
        (processes.as_array()?.len() == 2).then(|| processes[0].clone())
    });
    assert_eq!(process["has_board"], false);
    let kernel = process["threads"][0]["kernel"].as_str();
    assert!(
        kernel.is_some_and(|it| it.starts_with("sleeping")),
        "{process}"
    );
}

#[test]
fn what_happened_to_children_is_told_with_reasons() {
    let seen = Seen::start(TCP, &[]);
    assert!(seen.text("events").contains("nothing has happened"));
    let victim = seen.pool.children()[0];
    signal(victim, Signal::KILL);
    let status = eventually("its successor", || {
        let status = seen.report("status");
        let all = status["processes"].as_array()?.clone();
        let ready = all.iter().filter(|it| it["state"] == "ready").count();
        (ready == 2 && all.iter().all(|it| it["pid"] != victim)).then_some(status)
    });
    assert_eq!(status["totals"]["ends"]["crash"], 1);
    let processes = status["processes"].as_array().expect("processes");
    let heir = processes
        .iter()
        .find(|it| it["respawns"] == 1)
        .expect("the successor");
    let end = heir["last_end"]
        .as_str()
        .expect("how the one before it ended");
    assert!(end.contains("signal 9"), "{end}");
    seen.ctl(&["roll"]);
    let events = seen.report("events");
    let texts: Vec<&str> = events
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert!(
        texts[0].contains(&format!("process {victim} of seat")),
        "{texts:?}"
    );
    for part in ["roll began", "roll done: every child is of generation 2"] {
        assert!(
            texts.iter().any(|text| text.contains(part)),
            "{part} in {texts:?}"
        );
    }
}

/// What the hook of alarms was told.
const ALARM: &str =
    "hooks = { alarm = ['/bin/sh', '-c', 'echo \"$KIUAS_POOL_EVENT\" >> {}/alarms'] }\n";

fn wait_for_alarm(seen: &Seen, text: &str) {
    eventually(text, || {
        let alarms = std::fs::read_to_string(seen.path("alarms")).ok()?;
        alarms.contains(text).then_some(())
    });
}

#[test]
fn somebody_is_called_when_a_child_dies_and_not_when_it_is_rolled() {
    let seen = Seen::start(&format!("{TCP}{ALARM}"), &[]);
    seen.ctl(&["roll"]);
    assert!(!seen.path("alarms").exists());
    let victim = seen.pool.children()[0];
    signal(victim, Signal::KILL);
    wait_for_alarm(&seen, &format!("ended process {victim} of seat"));
}

#[test]
fn somebody_is_called_when_an_accept_queue_is_nearly_full() {
    let settings = format!("listen = ['unix:{{}}/web.sock']\nbacklog = 10\n{ALARM}");
    let seen = Seen::start(&settings, &[]);
    seen.pause();
    let connect = |_| UnixStream::connect(seen.path("web.sock")).expect("connection");
    let _waiting: Vec<UnixStream> = (0..9).map(connect).collect();
    wait_for_alarm(&seen, "of 10 connections wait in the accept queue of unix:");
    assert!(seen.text("events").contains("wait in the accept queue"));
}
