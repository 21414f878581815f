//! The load generators, and what they print.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::output;

/// The core of load and application.
pub(super) const LOAD_CORE: &str = "1";
/// The core of the servers under test.
pub(super) const SERVER_CORE: &str = "0";

/// One kind of load.
#[derive(Debug, Clone)]
pub(super) enum Load {
    /// HTTP/1.1 by wrk.
    Wrk {
        /// Connections.
        connections: u32,
        /// A connection for each request.
        close: bool,
    },
    /// HTTP/2 by h2load.
    H2 {
        /// Connections.
        connections: u32,
        /// Streams at a time in each.
        streams: u32,
    },
    /// New TLS connections with one request each.
    Handshakes {
        /// Sessions are resumed.
        resumed: bool,
    },
}

/// What a load generator says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    /// Answered requests.
    pub(super) requests: u64,
    /// Requests that failed or were answered with an error.
    pub(super) failed: u64,
    /// 99th percentile of the time to an answer, in microseconds.
    pub(super) p99_us: f64,
}

/// Where the load is made.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The program for handshakes.
    pub(super) visitors: PathBuf,
    /// The certificate to trust.
    pub(super) certificate: PathBuf,
}

impl Load {
    /// Puts `url` under load.
    pub(super) fn run(&self, url: &str, seconds: f64, place: &Place) -> Result<Outcome> {
        match self {
            Self::Wrk { connections, close } => wrk(url, seconds, *connections, *close),
            Self::H2 {
                connections,
                streams,
            } => h2load(url, seconds, *connections, *streams),
            Self::Handshakes { resumed } => handshakes(url, seconds, *resumed, place),
        }
    }
}

/// `program` on the core of the load.
pub(super) fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// Load of wrk with so many connections; `close`: a connection for each request.
pub(super) fn wrk(url: &str, seconds: f64, connections: u32, close: bool) -> Result<Outcome> {
    let mut command = pinned(LOAD_CORE, Path::new("wrk"));
    command.args(["-t1", "--latency", "--timeout", "8s"]);
    command.arg(format!("-c{connections}"));
    // wrk takes whole seconds alone.
    command.arg(format!("-d{}s", seconds.max(1.0).round()));
    if close {
        command.args(["-H", "Connection: close"]);
    }
    parse_wrk(&output(command.arg(url))?).context("cannot read what wrk printed")
}

/// `Requests`, errors and `99%` in wrk's report.
pub(super) fn parse_wrk(text: &str) -> Result<Outcome> {
    let mut requests = None;
    let mut failed = 0;
    let mut p99_us = None;
    for line in text.lines().map(str::trim) {
        if let Some((count, _)) = line.split_once(" requests in ") {
            requests = count.trim().parse().ok();
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            failed += count.trim().parse::<u64>().unwrap_or(0);
        } else if let Some(errors) = line.strip_prefix("Socket errors:") {
            failed += errors
                .split(|character: char| !character.is_ascii_digit())
                .filter_map(|number| number.parse::<u64>().ok())
                .sum::<u64>();
        } else if let Some(time) = line.strip_prefix("99%") {
            p99_us = microseconds(time.trim());
        }
    }
    match (requests, p99_us) {
        (Some(requests), Some(p99_us)) => Ok(Outcome {
            requests,
            failed,
            p99_us,
        }),
        _ => bail!("no number of requests or no 99 %:\n{text}"),
    }
}

/// `12.50us`, `1.25ms`, `2.00s`.
pub(super) fn microseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.trim().parse::<f64>().ok().map(|n| n * factor);
        }
    }
    None
}

fn h2load(url: &str, seconds: f64, connections: u32, streams: u32) -> Result<Outcome> {
    let mut command = pinned(LOAD_CORE, Path::new("h2load"));
    command.arg(format!("-c{connections}"));
    command.arg(format!("-m{streams}"));
    command.arg(format!("-D{}", seconds.max(1.0).round()));
    // Its own windows would hold the answers back.
    command.args(["-t1", "-w24", "-W28"]);
    parse_h2load(&output(command.arg(url))?).context("cannot read what h2load printed")
}

/// `requests: 9 total, … succeeded, 0 failed, …` and `time for request:` of h2load's report.
pub(super) fn parse_h2load(text: &str) -> Result<Outcome> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let counts = line("requests:").context("no line `requests:`")?;
    let count = |what: &str| {
        counts
            .split(',')
            .find_map(|part| part.trim().strip_suffix(what))
            .and_then(|number| number.trim().parse::<u64>().ok())
    };
    let succeeded = count("succeeded").context("no number of succeeded requests")?;
    let failed = count("failed").unwrap_or(0);
    // min, max, mean, sd, +/- sd: there is no percentile, the maximum stands for it.
    let p99_us = line("time for request:")
        .and_then(|times| microseconds(times.split_whitespace().nth(1)?))
        .context("no line `time for request:`")?;
    Ok(Outcome {
        requests: succeeded,
        failed,
        p99_us,
    })
}

fn handshakes(url: &str, seconds: f64, resumed: bool, place: &Place) -> Result<Outcome> {
    let (name, port) = url
        .trim_start_matches("https://")
        .split('/')
        .next()
        .and_then(|authority| authority.split_once(':'))
        .with_context(|| format!("{url} names no host and port"))?;
    let mut command = pinned(LOAD_CORE, &place.visitors);
    command.args(["handshakes", &format!("127.0.0.1:{port}"), name]);
    command.arg(&place.certificate);
    command.args([&seconds.to_string(), "16"]);
    command.arg(if resumed { "resumed" } else { "full" });
    parse_handshakes(&output(&mut command)?, resumed)
}

/// The line of JSON of the program `visitors`.
pub(super) fn parse_handshakes(text: &str, resumed: bool) -> Result<Outcome> {
    let found: serde_json::Value =
        serde_json::from_str(text.trim()).context("cannot read what `visitors` printed")?;
    let number = |key: &str| found.get(key).and_then(serde_json::Value::as_u64);
    let requests = number("done").context("no number of connections")?;
    if resumed && number("resumed").unwrap_or(0) * 10 < requests * 8 {
        bail!("too few sessions were resumed: {text}");
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a request")]
    let p99_us = number("p99_us").unwrap_or(0) as f64;
    Ok(Outcome {
        requests,
        failed: number("failed").unwrap_or(0),
        p99_us,
    })
}
