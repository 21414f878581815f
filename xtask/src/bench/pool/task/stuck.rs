//! Handlers that hold their thread: when the log names them, and whether it says where they hang.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};

/// The ways to hang, and the function that must be in the stack.
const ROUTES: [(&str, &str); 3] = [
    ("/spin", "spin"),
    ("/deadlock", "deadlock"),
    ("/block?ms=60000", "block"),
];
/// From the request to the end of its time: the handler's limit and the supervisor's grace.
const LIMIT: f64 = 1.5;
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(20);
const DAY: f64 = 86_400.0;

pub(super) fn measure(contender: Contender, stage: &Stage) -> Result<Sample> {
    let layout = Layout {
        example: "trouble",
        request_timeout: "1s",
        hard_grace: "500ms",
        ..Layout::of(2, 2)
    };
    let server = Running::start(contender, layout, stage)?;
    let mut details = BTreeMap::new();
    for (route, function) in ROUTES {
        let (begun, _open) = send(&server, route)?;
        let (path, _) = route.split_once('?').unwrap_or((route, ""));
        let line = named(&server, path, stage)?;
        let at = line.get("timestamp").and_then(Value::as_str);
        let at = at
            .and_then(time_of_day)
            .context("a log line without a time")?;
        let frames = line.get("frames").and_then(Value::as_str).unwrap_or("");
        let is_named = frames.contains(function);
        let late = (at - begun + DAY) % DAY - LIMIT;
        let late = if is_named {
            late * 1000.0
        } else {
            f64::INFINITY
        };
        details.insert(function.to_owned(), late);
    }
    Ok(Sample {
        figure: details.values().copied().fold(f64::NAN, f64::max),
        details,
        ..Sample::default()
    })
}

/// Asks for `route`; returns the time of the day and the connection, which must stay open.
fn send(server: &Running<'_>, route: &str) -> Result<(f64, TcpStream)> {
    let mut stream = TcpStream::connect(server.address())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() % DAY;
    write!(stream, "GET {route} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    Ok((now, stream))
}

/// The line of the log that says that `path` is stuck.
fn named(server: &Running<'_>, path: &str, stage: &Stage) -> Result<Value> {
    let label = format!("GET {path}");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        stage.interrupt.check()?;
        let log = server.log()?;
        let found = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| {
                line.get("frames").is_some()
                    && line.get("request.label").and_then(Value::as_str) == Some(&label)
            });
        if let Some(found) = found {
            return Ok(found);
        }
        std::thread::sleep(GLANCE);
    }
    bail!("nobody said that {label} is stuck")
}

/// Seconds since midnight in `2026-01-02T03:04:05.678Z`.
pub(super) fn time_of_day(timestamp: &str) -> Option<f64> {
    let (_, time) = timestamp.trim_end_matches('Z').split_once('T')?;
    let mut parts = time.split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_log_line_is_read() {
        let time = time_of_day("2026-01-02T03:04:05.5Z").unwrap();
        assert!((time - 11_045.5).abs() < 1e-6);
        assert_eq!(time_of_day("yesterday"), None);
    }
}
