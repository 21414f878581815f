//! Migrations beside Alembic: the same thousand files on the same server, one program after the other, and
//! then once more when there is nothing to do.

mod files;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Arguments;
use super::python::Environment;
use super::report::block::block;
use super::report::{self, Goal, Machine, OURS, Row, Sample, Series, Summary};
use crate::checkout::{Checkout, remove};
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::packages::{self, POSTGRES};
use crate::process::{Log, cargo, output, succeed};
use crate::services::{Durability, Place, Postgres};

const PYTHON: Environment = Environment {
    name: "alembic",
    peers: "Alembic",
    requirements: &[&["alembic==1.*", "psycopg[binary]==3.*"]],
    packages: &["alembic", "sqlalchemy", "psycopg"],
};
/// Rounds, if nobody says how many.
const ROUNDS: u32 = 3;
/// Files of one run.
const FILES: u32 = 1000;
const DATABASE: &str = "bench_migrate";
/// What runs in each round, in that order.
const CONTENDERS: [Contender; 3] = [
    Contender {
        name: OURS,
        url: "postgres:///",
        per_file: true,
    },
    Contender {
        name: "alembic",
        url: "postgresql+psycopg:///",
        per_file: false,
    },
    Contender {
        name: "alembic-each",
        url: "postgresql+psycopg:///",
        per_file: true,
    },
];

/// A program that applies the files.
#[derive(Debug, Clone, Copy)]
struct Contender {
    name: &'static str,
    /// How it writes the head of a URL.
    url: &'static str,
    /// One transaction a file, and not one for all of them.
    per_file: bool,
}

/// What everything runs with.
struct Stage<'a> {
    directory: PathBuf,
    program: PathBuf,
    python: Option<PathBuf>,
    postgres: Postgres,
    interrupt: &'a Interrupt,
}

/// Measures and prints the table.
pub(super) fn run(arguments: &Arguments, checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    packages::require(&[&POSTGRES], !arguments.no_install, interrupt)?;
    let python = PYTHON.provide(checkout, !arguments.no_install, interrupt)?;
    let programs = match &arguments.programs {
        Some(directory) => directory.clone(),
        None => build(checkout, interrupt)?,
    };
    let directory = checkout.state("bench")?.join("migrate");
    remove(&directory)?;
    files::write(&directory, FILES)?;
    // As on a server: every commit waits for the disk that has to.
    let place = Place {
        checkout: checkout.clone(),
        purpose: "bench",
        runtime: checkout.runtime("bench")?,
        durability: Durability::Kept,
        log: Log::Directory(checkout.state("bench")?),
        interrupt: interrupt.clone(),
    };
    let stage = Stage {
        directory,
        program: programs.join("examples/migrate"),
        python,
        postgres: Postgres::start(&place)?,
        interrupt,
    };
    let versions = stage
        .python
        .as_deref()
        .map_or(Ok(Vec::new()), |programs| PYTHON.versions(programs))?;
    let machine = Machine::this(versions);
    say(&machine.line());
    let rows = measure(arguments, &stage)?;
    for row in &rows {
        say(&block(row));
    }
    say("");
    report::keep(
        &machine,
        &rows,
        &checkout.state("bench")?.join("migrate.json"),
    )
}

fn build(checkout: &Checkout, interrupt: &Interrupt) -> Result<PathBuf> {
    let mut command = cargo();
    command.current_dir(checkout.root()).args([
        "build",
        "--profile=dist",
        "--package=kiuas-migrate",
        "--example=migrate",
    ]);
    succeed(&mut command, interrupt)?;
    Ok(checkout.target().join("dist"))
}

fn measure(arguments: &Arguments, stage: &Stage<'_>) -> Result<Vec<Row>> {
    let contenders: Vec<Contender> = CONTENDERS
        .into_iter()
        .filter(|one| one.name == OURS || stage.python.is_some())
        .collect();
    let mut all = row(
        "1 000 files",
        vec![Goal::NotAbove("alembic"), Goal::NotAbove("alembic-each")],
    );
    let mut none = row(
        "nothing to do",
        vec![Goal::AtMost(100.0), Goal::NotAbove("alembic")],
    );
    for row in [&mut all, &mut none] {
        row.series = contenders
            .iter()
            .map(|one| Series {
                server: one.name.to_owned(),
                samples: Vec::new(),
            })
            .collect();
    }
    for _ in 0..arguments.rounds.unwrap_or(ROUNDS) {
        for (number, contender) in contenders.iter().enumerate() {
            stage.interrupt.check()?;
            let url = stage.fresh_database(*contender)?;
            for row in [&mut all, &mut none] {
                let sample = stage
                    .sample(*contender, &url)
                    .with_context(|| format!("cannot measure {}", contender.name))?;
                if let Some(series) = row.series.get_mut(number) {
                    series.samples.push(sample);
                }
            }
        }
    }
    Ok(vec![all, none])
}

fn row(work: &str, goals: Vec<Goal>) -> Row {
    Row {
        work: work.to_owned(),
        unit: "ms from the program's start to its end",
        summary: Summary::Median,
        goals,
        series: Vec::new(),
    }
}

impl Stage<'_> {
    fn fresh_database(&self, contender: Contender) -> Result<String> {
        let mut command = Command::new("psql");
        command.args(["--no-psqlrc", "--quiet", "--command"]);
        command.arg(format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"));
        let server = self
            .postgres
            .server_url()
            .replace("postgres:///?", "postgres:///postgres?");
        output(command.arg("--dbname").arg(server))?;
        let url = self.postgres.database(DATABASE)?;
        Ok(url.replacen("postgres:///", contender.url, 1))
    }

    fn sample(&self, contender: Contender, url: &str) -> Result<Sample> {
        let mut command = self.command(contender, url)?;
        let begin = Instant::now();
        output(&mut command)?;
        Ok(Sample {
            figure: begin.elapsed().as_secs_f64() * 1000.0,
            ..Sample::default()
        })
    }

    fn command(&self, contender: Contender, url: &str) -> Result<Command> {
        if contender.name == OURS {
            let mut command = Command::new(&self.program);
            command
                .arg(self.directory.join("sql"))
                .current_dir(&self.directory)
                .env("KIUAS_CONFIG", self.directory.join("sql"))
                .env("KIUAS__POSTGRES__URL", url)
                .env("KIUAS__TELEMETRY__LEVEL", "warn");
            return Ok(command);
        }
        let Some(python) = &self.python else {
            bail!("there is no Python")
        };
        Ok(alembic(python, &self.directory, contender, url))
    }
}

fn alembic(python: &Path, directory: &Path, contender: Contender, url: &str) -> Command {
    let mut command = Command::new(python.join("python"));
    command
        .args(["-m", "alembic", "upgrade", "head"])
        .current_dir(directory.join("alembic"))
        .env("BENCH_URL", url)
        .env("BENCH_PER_FILE", if contender.per_file { "1" } else { "" });
    command
}
