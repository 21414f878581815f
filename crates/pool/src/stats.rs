//! The statistics in uWSGI's form: the keys of its stats server, for what means the same here, so that its
//! tools (`uwsgitop` and collectors) read them; and more.
//!
//! A worker is a seat; its numbers go on when its child is replaced, and `delta_requests` counts from the
//! last start. Times are microseconds, as uWSGI's are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kiuas_common::scoreboard::State;
use serde_json::{Value, json};

use crate::chronicle::unix_time;
use crate::overview::{Overview, millis};
use crate::proc::rollup::Rollup;
use crate::roster::Phase;
use crate::watch::{ChildReading, Counters, Reading};

/// The whole document. `overview` is added under a key of its own.
pub(crate) fn document(reading: &Reading, overview: &Overview) -> Value {
    let depths = reading.queues.iter().filter_map(|queue| queue.depth);
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    json!({
        "version": format!("kiuas-{}", env!("CARGO_PKG_VERSION")),
        "listen_queue": depths.map(|depth| depth.waiting).max().unwrap_or(0),
        "listen_queue_errors": reading.queues.iter().map(|queue| queue.full).sum::<u64>(),
        "signal_queue": 0,
        "load": overview.in_flight,
        "pid": std::process::id(),
        "uid": rustix::process::getuid().as_raw(),
        "gid": rustix::process::getgid().as_raw(),
        "cwd": cwd,
        "locks": [],
        "sockets": sockets(reading),
        "workers": workers(reading),
        "kiuas": overview,
    })
}

fn sockets(reading: &Reading) -> Vec<Value> {
    let socket = |queue: &crate::watch::reading::QueueReading| {
        json!({
            "name": queue.address,
            "proto": "http",
            "queue": queue.depth.map_or(0, |depth| depth.waiting),
            "max_queue": queue.depth.map_or(0, |depth| depth.limit),
            "shared": 0,
            "can_offload": 0,
            "highest_queue": queue.highest,
        })
    };
    reading.queues.iter().map(socket).collect()
}

/// One a seat, by number: the child that serves it, else the one that is coming, else the one that leaves.
fn workers(reading: &Reading) -> Vec<Value> {
    let mut seats: BTreeMap<usize, &ChildReading> = BTreeMap::new();
    for child in &reading.children {
        let better = |old: &&ChildReading| rank(child) < rank(old);
        if seats.get(&child.child.seat).is_none_or(better) {
            seats.insert(child.child.seat, child);
        }
    }
    let known = seats.keys().max().map_or(0, |last| last + 1);
    (0..known.max(reading.view.target))
        .map(|seat| worker(seat, seats.get(&seat).copied(), reading))
        .collect()
}

fn rank(child: &ChildReading) -> u8 {
    match child.child.phase {
        Phase::Ready { .. } => 0,
        Phase::Starting => 1,
        Phase::Draining { .. } => 2,
    }
}

fn worker(seat: usize, child: Option<&ChildReading>, reading: &Reading) -> Value {
    let seat_total = reading.tally.seats.get(&seat).copied().unwrap_or_default();
    let own = child.map_or_else(Counters::default, |it| reading.tally.of(it.child.pid));
    let average = seat_total
        .handling
        .checked_div(seat_total.ended())
        .unwrap_or(0);
    // Walks the mappings of the process: for whoever asks for statistics, not for every tick.
    let memory = child.and_then(|it| Rollup::of(it.pid()));
    let age = |child: &ChildReading| reading.at.saturating_duration_since(child.child.started);
    json!({
        // uWSGI counts its workers from 1.
        "id": seat + 1,
        "pid": child.map_or(0, ChildReading::pid),
        "accepting": u8::from(child.is_some_and(is_accepting)),
        "requests": seat_total.requests,
        "delta_requests": own.requests,
        "exceptions": seat_total.panics,
        "harakiri_count": reading.tally.stuck.get(&seat).copied().unwrap_or(0),
        "signals": 0,
        "signal_queue": 0,
        "status": child.map_or("cheap", status),
        "rss": child.map_or(0, |it| it.resident),
        "vsz": child.map_or(0, |it| it.slow.virtual_size),
        "running_time": seat_total.handling / 1000,
        "last_spawn": child.map_or(0, |it| unix_time().saturating_sub(age(it).as_secs())),
        "respawn_count": child.map_or(0, |it| it.child.respawns + 1),
        // Bytes that were sent are the proxy's to count.
        "tx": 0,
        "avg_rt": average / 1000,
        "apps": [],
        "cores": child.map_or_else(Vec::new, cores),
        "generation": child.map_or(0, |it| it.child.generation),
        "in_flight": child.map_or(0, |it| it.snapshot.in_flight()),
        "connections": child.map_or(0, |it| it.snapshot.connections()),
        "busy": child.map_or(0.0, |it| it.slow.busy),
        "soft_timeouts": seat_total.soft_timeouts,
        "answers": seat_total.answers,
        "age": child.map_or(0, |it| millis(age(it))),
        "pss": memory.map_or(0, |it| it.pss),
        "uss": memory.map_or(0, |it| it.uss),
        "swap": memory.map_or(0, |it| it.swap),
    })
}

fn is_accepting(child: &ChildReading) -> bool {
    matches!(child.child.phase, Phase::Ready { .. })
        && !child.child.paused
        && child.snapshot.state != State::Paused
}

fn status(child: &ChildReading) -> &'static str {
    match child.child.phase {
        Phase::Ready { .. } if !is_accepting(child) => "pause",
        Phase::Ready { .. } if child.snapshot.in_flight() == 0 => "idle",
        Phase::Ready { .. } => "busy",
        Phase::Starting => "cheap",
        Phase::Draining { .. } => "sig15",
    }
}

/// A core is a thread. Its `req_info` is the oldest of what it runs.
fn cores(child: &ChildReading) -> Vec<Value> {
    let snapshot = &child.snapshot;
    let core = |thread: &kiuas_common::scoreboard::ThreadView| {
        let own = snapshot
            .slots
            .iter()
            .filter(|slot| slot.thread == Some(thread.index));
        let oldest = own.min_by_key(|slot| slot.started);
        let info = oldest.map(|slot| {
            let age = Duration::from_nanos(slot.age(snapshot.taken_at));
            json!({
                "label": slot.label,
                "id": slot.id,
                "trace_id": slot.trace_id,
                "age": millis(age),
                "request_start": unix_time().saturating_sub(age.as_secs()),
            })
        });
        json!({
            "id": thread.index,
            "requests": thread.requests,
            "static_requests": 0,
            "routed_requests": 0,
            "offloaded_requests": 0,
            "write_errors": 0,
            "read_errors": 0,
            "in_request": u8::from(thread.in_flight > 0),
            "vars": [],
            "req_info": info.unwrap_or_else(|| json!({})),
            "tid": thread.tid,
            "silence": millis(Duration::from_nanos(thread.silence(snapshot.taken_at))),
        })
    };
    snapshot.threads.iter().map(core).collect()
}
