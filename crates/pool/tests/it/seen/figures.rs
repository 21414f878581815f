//! Statistics, metrics, and the depth of accept queues, against a known number of requests.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::{Seen, TCP};
use crate::client::{Connection, get};
use crate::harness::{Orders, eventually};

fn bare_stats(mut stream: impl Read) -> Value {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("statistics");
    serde_json::from_str(&text).expect("JSON")
}

fn sum(stats: &Value, of: &str) -> u64 {
    let workers = stats["workers"].as_array().expect("workers");
    workers
        .iter()
        .filter_map(|worker| worker[of].as_u64())
        .sum()
}

/// Everything that uwsgitop 0.12 and collectors of uWSGI's statistics take for granted.
fn assert_is_uwsgis(stats: &Value) {
    for name in [
        "listen_queue",
        "listen_queue_errors",
        "signal_queue",
        "load",
        "pid",
        "uid",
        "gid",
    ] {
        assert!(stats[name].is_u64(), "{name}: {stats:#}");
    }
    assert!(stats["version"].is_string() && stats["cwd"].is_string() && stats["locks"].is_array());
    for socket in stats["sockets"].as_array().expect("sockets") {
        assert!(socket["name"].is_string() && socket["proto"].is_string());
        for name in ["queue", "max_queue", "shared", "can_offload"] {
            assert!(socket[name].is_u64(), "{name}: {socket:#}");
        }
    }
    for worker in stats["workers"].as_array().expect("workers") {
        for name in [
            "id",
            "pid",
            "accepting",
            "requests",
            "delta_requests",
            "exceptions",
            "harakiri_count",
            "signals",
            "signal_queue",
            "rss",
            "vsz",
            "uss",
            "pss",
            "running_time",
            "last_spawn",
            "respawn_count",
            "tx",
            "avg_rt",
        ] {
            assert!(worker[name].is_u64(), "{name}: {worker:#}");
        }
        assert!(worker["status"].is_string() && worker["apps"].is_array());
        for core in worker["cores"].as_array().expect("cores") {
            for name in [
                "id",
                "requests",
                "static_requests",
                "routed_requests",
                "offloaded_requests",
                "write_errors",
                "read_errors",
                "in_request",
            ] {
                assert!(core[name].is_u64(), "{name}: {core:#}");
            }
            assert!(core["vars"].is_array() && core["req_info"].is_object());
        }
    }
}

#[test]
fn the_statistics_have_uwsgis_fields_and_count_every_request() {
    let seen = Seen::start(&format!("{TCP}stats = '127.0.0.1:0'"), &[]);
    let (web, stats) = (seen.address(), seen.pool.address("stats"));
    let read = || bare_stats(TcpStream::connect(stats).expect("connection"));
    for _ in 0..20 {
        assert_eq!(get(web, "/hello").expect("answer").status, 200);
    }
    for _ in 0..3 {
        assert_eq!(get(web, "/panic").expect("answer").status, 500);
    }
    let mut slow = Connection::asking(web, "/sleep?ms=1500");
    let during = eventually("24 requests", || {
        Some(read()).filter(|stats| sum(stats, "requests") == 24)
    });
    assert_is_uwsgis(&during);
    assert_eq!(sum(&during, "exceptions"), 3);
    assert_eq!((sum(&during, "in_flight"), &during["load"]), (1, &1.into()));
    let workers = during["workers"].as_array().expect("workers");
    let busy: Vec<&Value> = workers.iter().filter(|it| it["status"] == "busy").collect();
    assert_eq!((workers.len(), busy.len()), (2, 1), "{during:#}");
    let cores = busy[0]["cores"].as_array().expect("cores");
    assert_eq!(cores.len(), 2);
    let core = cores
        .iter()
        .find(|core| core["in_request"] == 1)
        .expect("a busy core");
    assert_eq!(core["req_info"]["label"], "GET /sleep");
    let children = seen.pool.children();
    assert!(
        workers
            .iter()
            .all(|it| children.iter().any(|pid| it["pid"] == *pid))
    );
    assert_eq!(slow.answer().expect("answer").status, 200);

    // The counts of a seat go on with its next child, those of a child begin anew.
    seen.ctl(&["roll"]);
    let after = eventually("the new children", || {
        Some(read()).filter(|stats| sum(stats, "respawn_count") == 4)
    });
    assert_eq!(
        (sum(&after, "requests"), sum(&after, "delta_requests")),
        (24, 0),
        "{after:#}"
    );
    assert!(sum(&after, "running_time") >= 1_500_000, "microseconds");
}

#[test]
fn the_statistics_come_over_unix_sockets_and_http_too() {
    let seen = Seen::start(&format!("{TCP}stats = 'unix:{{}}/stats.sock'"), &[]);
    assert_is_uwsgis(&bare_stats(
        UnixStream::connect(seen.path("stats.sock")).expect("stats"),
    ));
    drop(seen);
    let seen = Seen::start(
        &format!("{TCP}stats = '127.0.0.1:0'\nstats_http = true"),
        &[],
    );
    let mut connection = Connection::asking(seen.pool.address("stats"), "/");
    let head = connection.answer().expect("answer");
    assert_eq!(head.status, 200);
}

#[test]
fn the_metrics_tell_how_many_requests_came_to_what() {
    let seen = Seen::start(TCP, &[("KIUAS__WEB__REQUEST_TIMEOUT", "400ms")]);
    let web = seen.address();
    for (path, times, status) in [
        ("/hello", 10, 200),
        ("/nowhere", 4, 404),
        ("/panic", 2, 500),
        ("/pending", 1, 504),
    ] {
        for _ in 0..times {
            assert_eq!(get(web, path).expect("answer").status, status);
        }
    }
    seen.wait_for_metric("kiuas_pool_requests_total", 17.0);
    for (name, value) in [
        ("kiuas_pool_answers_total{class=\"2xx\"}", 10.0),
        ("kiuas_pool_answers_total{class=\"4xx\"}", 4.0),
        ("kiuas_pool_answers_total{class=\"5xx\"}", 3.0),
        ("kiuas_pool_panics_total", 2.0),
        ("kiuas_pool_soft_timeouts_total", 1.0),
        ("kiuas_pool_starts_total", 2.0),
        ("kiuas_pool_children{state=\"ready\"}", 2.0),
        ("kiuas_pool_children_target", 2.0),
        ("kiuas_pool_generation", 1.0),
        ("kiuas_pool_requests_in_flight", 0.0),
    ] {
        seen.wait_for_metric(name, value);
    }
    assert!(seen.metric("kiuas_pool_handling_seconds_total") >= 0.4);
    let resident = seen.metric("kiuas_pool_child_resident_bytes{seat=\"0\"}");
    let proportional = seen.metric("kiuas_pool_child_proportional_bytes{seat=\"0\"}");
    assert!(
        0.0 < proportional && proportional <= resident,
        "{proportional} of {resident}"
    );

    seen.ctl(&["roll"]);
    seen.wait_for_metric("kiuas_pool_ends_total{reason=\"rolled\"}", 2.0);
    seen.wait_for_metric("kiuas_pool_rolls_total", 1.0);
    assert!(seen.metric("kiuas_pool_roll_duration_seconds") > 0.0);
    // What the old children counted is not lost with them.
    seen.wait_for_metric("kiuas_pool_requests_total", 17.0);
    assert_eq!(get(web, "/hello").expect("answer").status, 200);
    seen.wait_for_metric("kiuas_pool_requests_total", 18.0);
}

#[test]
fn the_depth_of_a_unix_sockets_queue_is_seen() {
    let seen = Seen::start("listen = ['unix:{}/web.sock']\nbacklog = 64\n", &[]);
    seen.pause();
    let connect = |_| UnixStream::connect(seen.path("web.sock")).expect("connection");
    let waiting: Vec<UnixStream> = (0..9).map(connect).collect();
    let queue = eventually("nine wait", || {
        let queue = seen.report("status")["queues"][0].clone();
        (queue["waiting"] == 9).then_some(queue)
    });
    assert_eq!(
        (&queue["limit"], &queue["highest"]),
        (&64.into(), &9.into())
    );
    assert_eq!(seen.report("stats")["listen_queue"], 9);
    seen.wait_for_metric("kiuas_pool_queue_depth{socket=\"web\"}", 9.0);
    drop(waiting);
    seen.ctl(&["resume"]);
    seen.wait_for_metric("kiuas_pool_queue_depth{socket=\"web\"}", 0.0);
    seen.wait_for_metric("kiuas_pool_queue_depth_max{socket=\"web\"}", 9.0);
}

#[test]
fn a_program_without_a_scoreboard_has_the_same_fields() {
    let orders = Orders::new("serve one");
    let seen = Seen::over(&orders.command(), TCP, &[]);
    assert_is_uwsgis(&seen.report("stats"));
    assert!(seen.text("status").contains("2 of 2 ready"));
}
