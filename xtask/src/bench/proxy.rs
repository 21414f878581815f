//! The front proxy beside nginx, HAProxy and Caddy: the same site, one worker each, one core for the
//! server and another for application and load.

mod server;
mod stage;
mod work;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::load::{LOAD_CORE, Load, Place, pinned};
use super::report::table::{head, line};
use super::report::{self, Machine, Row, Sample, Series, Summary};
use super::{Arguments, cost};
use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::packages::{self, BENCH};
use server::{Kind, Server, Stage};
use work::{Task, Work};

/// Rounds, if nobody says how many.
const ROUNDS: u32 = 7;
/// Load before the first round, so that connections, caches and tables are warm.
const WARM_UP: f64 = 1.0;

/// Measures and prints the table.
pub(super) fn run(arguments: &Arguments, checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    packages::require(&[&BENCH], !arguments.no_install, interrupt)?;
    let works: Vec<Work> = work::all()
        .into_iter()
        .filter(|work| arguments.wants(work.name))
        .collect();
    if works.is_empty() {
        bail!("no work has that text in its name");
    }
    let programs = match &arguments.programs {
        Some(directory) => directory.clone(),
        None => stage::build(checkout, interrupt)?,
    };
    let (stage, place, _runtime) = stage::set(checkout, &programs, interrupt)?;
    let _application = server::application(&stage)?;
    let servers = start(arguments, &stage)?;
    let peers: Vec<String> = servers
        .iter()
        .map(|server| server.kind.name().to_owned())
        .filter(|name| name != Kind::Kiuas.name())
        .collect();
    let versions = Kind::PEERS.iter().filter_map(|kind| kind.version());
    let machine = Machine::this(versions.collect());
    say(&head(&machine, &peers));
    let mut rows = Vec::new();
    for work in &works {
        let row = measure(work, &servers, arguments, &place, interrupt)
            .with_context(|| format!("cannot measure `{}`", work.name))?;
        say(&line(&row, &peers));
        rows.push(row);
    }
    let path = checkout.state("bench")?.join("proxy.json");
    report::keep(&machine, &rows, &path)
}

fn start(arguments: &Arguments, stage: &Stage) -> Result<Vec<Server>> {
    let wanted = |kind: &Kind| {
        arguments
            .peers
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == kind.name()))
    };
    let mut servers = Vec::new();
    let kinds = Kind::PEERS.into_iter().filter(wanted);
    for kind in std::iter::once(Kind::Kiuas).chain(kinds) {
        match Server::start(kind, stage)? {
            Some(server) => servers.push(server),
            None => say(&format!(
                "{} is not installed and not measured",
                kind.name()
            )),
        }
    }
    Ok(servers)
}

fn measure(
    work: &Work,
    servers: &[Server],
    arguments: &Arguments,
    place: &Place,
    interrupt: &Interrupt,
) -> Result<Row> {
    let able: Vec<&Server> = servers.iter().filter(|one| work.can(one.kind)).collect();
    let mut series: Vec<Series> = able
        .iter()
        .map(|server| Series {
            server: server.kind.name().to_owned(),
            samples: Vec::new(),
        })
        .collect();
    let rounds = match &work.task {
        Task::Requests(load) => {
            for server in &able {
                load.run(&work.url(server), WARM_UP, place)?;
            }
            arguments.rounds.unwrap_or(ROUNDS)
        }
        // What an allocator keeps from one round would be missing in the next.
        Task::Idle(_) => 1,
    };
    for _ in 0..rounds {
        for (server, series) in able.iter().zip(&mut series) {
            interrupt.check()?;
            series.samples.push(match &work.task {
                Task::Requests(load) => requests(work, load, server, arguments.seconds, place)?,
                Task::Idle(count) => idle(work, *count, server, place)?,
            });
        }
    }
    Ok(Row {
        work: work.name.to_owned(),
        unit: work.unit(),
        summary: Summary::Median,
        goals: vec![work.goal],
        series,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times of seconds fit"
)]
fn requests(
    work: &Work,
    load: &Load,
    server: &Server,
    seconds: f64,
    place: &Place,
) -> Result<Sample> {
    let processes = cost::tree(server.pid())?;
    let before = cost::cpu(&processes);
    let outcome = load.run(&work.url(server), seconds, place)?;
    let used = cost::cpu(&processes).saturating_sub(before);
    if outcome.requests == 0 {
        bail!("{} answered no request", server.kind.name());
    }
    let requests = outcome.requests as f64;
    Ok(Sample {
        figure: used.as_secs_f64() * 1e6 / requests,
        rate: Some(requests / seconds.max(1.0).round()),
        p99_us: Some(outcome.p99_us),
        failed: outcome.failed,
        ..Sample::default()
    })
}

#[expect(clippy::cast_precision_loss, reason = "KiB of some megabytes")]
fn idle(work: &Work, count: u32, server: &Server, place: &Place) -> Result<Sample> {
    let processes = cost::tree(server.pid())?;
    let before = cost::private_kib(&processes);
    let mut command: Command = pinned(LOAD_CORE, &place.visitors);
    command.args(["idle", &format!("127.0.0.1:{}", work.port(server))]);
    if work.is_secure() {
        command.arg(&place.certificate);
    } else {
        command.arg("-");
    }
    command.arg(count.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut visitors = command.spawn().context("cannot start the visitors")?;
    let mut line = String::new();
    if let Some(output) = visitors.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.trim() != "ready" {
        bail!(
            "not all {count} connections to {} opened",
            server.kind.name()
        );
    }
    // Until what one request needed is given back.
    std::thread::sleep(Duration::from_secs(1));
    let after = cost::private_kib(&processes);
    drop(visitors.stdin.take());
    visitors.wait()?;
    Ok(Sample {
        figure: after.saturating_sub(before) as f64 / f64::from(count),
        ..Sample::default()
    })
}
