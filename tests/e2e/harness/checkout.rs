//! A checkout of its own for `cargo xtask dev`: what it reads, without the sources it would build.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::eventually::{PATIENCE, eventually};
use super::ground::{binaries, binary, workspace};
use super::process::{Process, Start};
use super::run::RunDirectory;

/// A directory that xtask takes for its checkout.
pub(crate) struct Checkout {
    pub(crate) run: RunDirectory,
}

/// `cargo xtask dev`, up.
pub(crate) struct Dev {
    pub(crate) process: Process,
    /// `HOST:PORT` of HTTP.
    pub(crate) http: String,
    /// `HOST:PORT` of HTTPS.
    pub(crate) https: String,
}

impl Checkout {
    pub(crate) fn create() -> Self {
        let run = RunDirectory::create();
        // PostgreSQL does not run as root, and its account must be able to get to its data.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(run.path(), open).expect("permissions");
        for part in ["config", "migrations", "crates/site/static"] {
            copy(&workspace().join(part), &run.join(part));
        }
        for file in ["Cargo.toml", "xtask/Cargo.toml"] {
            let to = run.join(file);
            fs::create_dir_all(to.parent().expect("a parent")).expect("directory");
            fs::copy(workspace().join(file), to).expect("copy of a manifest");
        }
        Self { run }
    }

    /// `cargo xtask dev` on free ports, with the programs under test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Start {
        let programs = binaries().display().to_string();
        let mut start = Start::new("dev", binary("xtask"))
            .args(["dev", "--no-install", "--programs", &programs])
            .args(arguments)
            .env("CARGO_MANIFEST_DIR", self.run.join("xtask"));
        start.command.current_dir(self.run.path());
        start
    }

    /// Starts it and waits until it is up.
    pub(crate) async fn dev(&self) -> Dev {
        let mut process = self.command(&FREE_PORTS).spawn(&self.run);
        let (http, https) = eventually("`cargo xtask dev` to be up", PATIENCE * 2, async || {
            process.assert_running();
            let output = process.output();
            output.contains("Ctrl-C stops everything").then_some(())?;
            Some((
                address(&output, " http://")?,
                address(&output, " https://")?,
            ))
        })
        .await;
        Dev {
            process,
            http,
            https,
        }
    }
}

const FREE_PORTS: [&str; 4] = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];

/// The first `HOST:PORT` after `scheme`.
fn address(output: &str, scheme: &str) -> Option<String> {
    let found = output.split(scheme).skip(1).find_map(|rest| {
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == '/')?;
        rest.get(..end)?.parse::<SocketAddr>().ok()
    });
    found.map(|address| address.to_string())
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).expect("directory");
    for entry in fs::read_dir(from).expect("directory") {
        let entry = entry.expect("entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "local.toml" {
            fs::copy(entry.path(), &to).expect("copy");
        }
    }
}
