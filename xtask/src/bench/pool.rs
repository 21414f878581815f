//! The application worker pool beside uWSGI, gunicorn, granian and actix-web alone: the same application,
//! as many processes and threads each.

mod contender;
mod stage;
mod task;
mod work;

use anyhow::{Context, Result, bail};

use super::Arguments;
use super::python::Environment;
use super::report::block::block;
use super::report::{self, Machine, OURS, Row, Series};
use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::packages::{self, WRK};
use contender::Contender;
use stage::Stage;
use task::Effort;
use work::Work;

/// Each is installed by itself: uWSGI is compiled, which may fail where the others do not. Without Pyramid
/// there is no application for any of them.
const PYTHON: Environment = Environment {
    name: "python",
    peers: "uWSGI, gunicorn, granian and Pyramid",
    requirements: &[
        &["pyramid==2.*"],
        &["gunicorn==27.*"],
        &["granian==2.*"],
        &["uWSGI==2.0.*"],
    ],
    packages: &["uWSGI", "gunicorn", "granian", "pyramid"],
};
/// Rounds, if nobody says how many.
const ROUNDS: u32 = 5;
/// Whose versions are told besides those of the peers for Python.
const CRATES: [&str; 2] = ["actix-web", "actix-http"];

/// Measures and prints the table.
pub(super) fn run(arguments: &Arguments, checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    let works: Vec<Work> = work::all()
        .into_iter()
        .filter(|work| arguments.wants(work.name))
        .collect();
    if works.is_empty() {
        bail!("no work has that text in its name");
    }
    if works.iter().any(|work| work.task.needs_wrk()) {
        packages::require(&[&WRK], !arguments.no_install, interrupt)?;
    }
    let needs_python = works
        .iter()
        .flat_map(|work| work.contenders)
        .any(|one| one.kind.is_python() && wants(arguments, *one));
    let python = if needs_python {
        PYTHON.provide(checkout, !arguments.no_install, interrupt)?
    } else {
        None
    };
    let programs = match &arguments.programs {
        Some(directory) => directory.clone(),
        None => stage::build(checkout, interrupt)?,
    };
    let stage = Stage::set(checkout, programs, python, interrupt)?;
    let machine = Machine::this(versions(checkout, &stage)?);
    say(&machine.line());
    let effort = Effort {
        rounds: arguments.rounds.unwrap_or(ROUNDS),
        seconds: arguments.seconds,
    };
    let mut rows = Vec::new();
    for work in &works {
        let row = measure(work, arguments, &stage, effort)
            .with_context(|| format!("cannot measure `{}`", work.name))?;
        say(&block(&row));
        rows.push(row);
    }
    say("");
    let path = checkout.state("bench")?.join("pool.json");
    report::keep(&machine, &rows, &path)
}

fn wants(arguments: &Arguments, contender: Contender) -> bool {
    contender.name == OURS
        || arguments
            .peers
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == contender.name))
}

fn measure(work: &Work, arguments: &Arguments, stage: &Stage, effort: Effort) -> Result<Row> {
    let mut contenders = Vec::new();
    for contender in work.contenders {
        if !wants(arguments, *contender) {
            continue;
        }
        if contender.is_installed(stage) {
            contenders.push(*contender);
        } else {
            let name = contender.name;
            say(&format!(
                "SKIPPING {name} in `{}`: it is not installed",
                work.name
            ));
        }
    }
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| Series {
            server: contender.name.to_owned(),
            samples: Vec::new(),
        })
        .collect();
    for _ in 0..effort.rounds {
        for (contender, series) in contenders.iter().zip(&mut series) {
            stage.interrupt.check()?;
            let sample = work
                .task
                .measure(*contender, stage, effort)
                .with_context(|| format!("cannot measure {}", contender.name))?;
            series.samples.push(sample);
        }
    }
    Ok(Row {
        work: work.name.to_owned(),
        unit: work.unit,
        summary: work.summary,
        goals: work.goals.clone(),
        series,
    })
}

fn versions(checkout: &Checkout, stage: &Stage) -> Result<Vec<String>> {
    let lock = std::fs::read_to_string(checkout.root().join("Cargo.lock"))
        .context("cannot read Cargo.lock")?;
    let mut versions: Vec<String> = CRATES
        .iter()
        .filter_map(|name| Some(format!("{name} {}", locked(&lock, name)?)))
        .collect();
    if let Some(python) = &stage.python {
        versions.extend(PYTHON.versions(python)?);
    }
    Ok(versions)
}

/// The version of a crate in `Cargo.lock`.
pub(super) fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}
