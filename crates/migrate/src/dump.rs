//! A dump of the whole database before contract files take something away from it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;

use jiff::Timestamp;
use kiuas_common::postgres::{PostgresSettings, TlsMode};
use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::error::MigrateError;
use crate::settings::MigrateSettings;

/// Writes a dump in PostgreSQL's custom format (`pg_restore` reads it) into `directory`, and returns its
/// path. It has its name only when it is complete.
///
/// # Errors
/// [`MigrateError::Dump`].
pub(crate) async fn dump(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    directory: &Path,
) -> Result<PathBuf, MigrateError> {
    let config =
        Config::from_str(&postgres.url).map_err(|error| failed(directory, error.to_string()))?;
    let database = config.get_dbname().unwrap_or("database").to_owned();
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = directory.join(format!("{database}-{time}.dump"));
    let unfinished = path.with_extension("dump.partial");
    tracing::info!(path = %path.display(), "dumping `{database}` before the contract files");
    let outcome = run(postgres, settings, &config, &unfinished).await;
    if let Err(problem) = outcome {
        drop(std::fs::remove_file(&unfinished));
        return Err(failed(&path, problem));
    }
    std::fs::rename(&unfinished, &path).map_err(|error| failed(&path, error.to_string()))?;
    Ok(path)
}

fn failed(path: &Path, problem: String) -> MigrateError {
    MigrateError::Dump {
        path: path.to_owned(),
        problem,
    }
}

async fn run(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    config: &Config,
    path: &Path,
) -> Result<(), String> {
    let program = &settings.dump_program;
    let mut command = Command::new(program);
    command
        .args(["--format=custom", "--no-password", "--file"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    connection(&mut command, postgres, config);
    let running = command
        .spawn()
        .map_err(|error| format!("cannot start `{program}` (`migrate.dump_program`): {error}"))?;
    let output = tokio::time::timeout(settings.dump_timeout.duration(), running.wait_with_output())
        .await
        .map_err(|_| {
            format!(
                "it took longer than `migrate.dump_timeout` = {}",
                settings.dump_timeout
            )
        })?
        .map_err(|error| format!("lost `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(format!("`{program}` ended with {}: {said}", output.status))
}

/// Where the database is, in libpq's own variables: a password on a command line is everybody's.
fn connection(command: &mut Command, postgres: &PostgresSettings, config: &Config) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    let password = match postgres.password.as_str() {
        "" => config
            .get_password()
            .map(|it| String::from_utf8_lossy(it).into_owned()),
        password => Some(password.to_owned()),
    };
    let ssl = match postgres.tls {
        TlsMode::Disable => "disable",
        TlsMode::Verify => "verify-full",
    };
    let values = [
        ("PGHOST", Some(hosts.join(","))),
        ("PGPORT", Some(ports.join(","))),
        ("PGDATABASE", config.get_dbname().map(str::to_owned)),
        ("PGUSER", config.get_user().map(str::to_owned)),
        ("PGPASSWORD", password),
        ("PGSSLMODE", Some(ssl.to_owned())),
        ("PGSSLROOTCERT", Some(postgres.ca_path.clone())),
        ("PGAPPNAME", Some("kiuas migrate dump".to_owned())),
    ];
    for (name, value) in values {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.env(name, value);
        }
    }
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}
