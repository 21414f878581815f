//! How each stand-in is made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::docker::LABEL;
use crate::interrupt::Interrupt;
use crate::process::{output, succeed};

const RUST_VERSION: &str = "1.95";
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Keeps the base image small, as the official one is.
const WITHOUT: [&str; 4] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];
/// Packages must not start their services while an image is built.
const NO_SERVICES: &str = r#"printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d""#;

/// One image and how it is made.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) image: &'static str,
    /// Where its content comes from, for people.
    pub(crate) source: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Debian's smallest system.
    Base { mirror: Option<String> },
    /// A Dockerfile and the files beside it.
    Build {
        files: Vec<(&'static str, &'static str)>,
    },
    /// The same, and the Rust toolchain and certificates of this machine.
    Rust {
        files: Vec<(&'static str, &'static str)>,
        toolchain: Toolchain,
    },
}

#[derive(Debug)]
struct Toolchain {
    root: PathBuf,
    /// All that `rustc -vV` says.
    version: String,
    host: String,
}

impl Recipe {
    /// All images, each after those that it is made from.
    pub(crate) fn all(mirror: Option<&str>) -> Result<Vec<Self>> {
        let mirror = mirror.map(str::to_owned);
        Ok(vec![
            Self {
                image: "debian:bookworm-slim",
                source: "Debian's packages",
                kind: Kind::Base { mirror },
            },
            Self {
                image: "postgres:15-bookworm",
                source: "Debian's packages",
                kind: Kind::Build {
                    files: vec![
                        ("Dockerfile", include_str!("postgres/Dockerfile")),
                        (
                            "docker-entrypoint.sh",
                            include_str!("postgres/docker-entrypoint.sh"),
                        ),
                    ],
                },
            },
            Self {
                image: "redis:7.0-bookworm",
                source: "Debian's packages",
                kind: Kind::Build {
                    files: vec![
                        ("Dockerfile", include_str!("redis/Dockerfile")),
                        (
                            "docker-entrypoint.sh",
                            include_str!("redis/docker-entrypoint.sh"),
                        ),
                    ],
                },
            },
            Self {
                image: "rust:1.95-bookworm",
                source: "this machine's Rust toolchain",
                kind: Kind::Rust {
                    files: vec![("Dockerfile", include_str!("rust/Dockerfile"))],
                    toolchain: Toolchain::of_this_machine()?,
                },
            },
        ])
    }

    /// True for the image that is made from nothing.
    pub(crate) fn needs_bootstrap(&self) -> bool {
        matches!(self.kind, Kind::Base { .. })
    }

    /// Changes when the recipe does.
    pub(crate) fn fingerprint(&self) -> String {
        let text = match &self.kind {
            Kind::Base { .. } => format!("{WITHOUT:?}{NO_SERVICES}"),
            Kind::Build { files } => format!("{files:?}"),
            Kind::Rust { files, toolchain } => format!("{files:?}{}", toolchain.version),
        };
        // FNV-1a: stable between versions of Rust, which `DefaultHasher` does not promise.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// Makes the image. Works in `directory`, and leaves nothing there.
    pub(crate) fn make(&self, directory: &Path, interrupt: &Interrupt) -> Result<()> {
        let archive = directory.join(format!("{}.tar", std::process::id()));
        let made = match &self.kind {
            Kind::Base { mirror } => self.import(mirror.as_deref(), &archive, interrupt),
            Kind::Build { files } => {
                self.context(files, directory, &archive, interrupt)?;
                self.build(&archive)
            }
            Kind::Rust { files, toolchain } => {
                self.context(files, directory, &archive, interrupt)?;
                toolchain.append_to(&archive, interrupt)?;
                self.build(&archive)
            }
        };
        drop(fs::remove_file(&archive));
        made.with_context(|| format!("cannot make a stand-in for {}", self.image))
    }

    fn import(&self, mirror: Option<&str>, archive: &Path, interrupt: &Interrupt) -> Result<()> {
        let mut bootstrap = Command::new("mmdebstrap");
        bootstrap.args([
            "--quiet",
            "--variant=minbase",
            "--aptopt=Acquire::Languages \"none\"",
        ]);
        bootstrap.args(WITHOUT.map(|option| format!("--dpkgopt={option}")));
        bootstrap.arg(format!("--customize-hook={NO_SERVICES}"));
        // With its default mirror mmdebstrap adds Debian's security updates by itself.
        bootstrap.arg("bookworm").arg(archive).args(mirror);
        succeed(&mut bootstrap, interrupt)?;
        let mut import = Command::new("docker");
        import
            .args(["import", "--change", "CMD [\"bash\"]", "--change"])
            .arg(format!("LABEL {LABEL}={}", self.fingerprint()))
            .arg(archive)
            .arg(self.image);
        output(&mut import).map(drop)
    }

    /// Packs a build context of `files`.
    fn context(
        &self,
        files: &[(&str, &str)],
        directory: &Path,
        archive: &Path,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let context = directory.join(format!("{}.context", std::process::id()));
        fs::create_dir_all(&context)?;
        for (name, text) in files {
            fs::write(context.join(name), text)?;
        }
        let mut pack = Command::new("tar");
        pack.arg("--create")
            .arg("--file")
            .arg(archive)
            .arg("--directory")
            .arg(&context)
            .arg(".");
        let packed = succeed(&mut pack, interrupt);
        fs::remove_dir_all(&context)?;
        packed
    }

    fn build(&self, archive: &Path) -> Result<()> {
        let mut build = Command::new("docker");
        build
            .args(["build", "--quiet", "--label"])
            .arg(format!("{LABEL}={}", self.fingerprint()))
            .args(["--tag", self.image, "-"]);
        // The builder's progress is of interest only when it fails: then it is part of the error.
        let context = File::open(archive)?;
        let built = build
            .stdin(context)
            .output()
            .context("cannot start docker")?;
        if !built.status.success() {
            bail!(
                "`docker build` failed ({}): {}",
                built.status,
                String::from_utf8_lossy(&built.stderr).trim()
            );
        }
        Ok(())
    }
}

impl Toolchain {
    fn of_this_machine() -> Result<Self> {
        let version = output(Command::new("rustc").arg("-vV"))?;
        let line = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap_or_default().trim().to_owned()
        };
        let (release, host) = (line("release:"), line("host:"));
        if !release.starts_with(&format!("{RUST_VERSION}.")) {
            bail!(
                "the image rust:{RUST_VERSION}-bookworm needs Rust {RUST_VERSION}, this machine has {release}"
            );
        }
        let root =
            PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
        if root == Path::new("/usr") {
            bail!(
                "a stand-in for rust:{RUST_VERSION}-bookworm needs a toolchain in a directory of its own (rustup), not the one in /usr"
            );
        }
        Ok(Self {
            root,
            version,
            host,
        })
    }

    /// Adds the compiler, cargo, the standard library and the trusted certificates to a context.
    fn append_to(&self, archive: &Path, interrupt: &Interrupt) -> Result<()> {
        let mut toolchain = Command::new("tar");
        toolchain
            .arg("--append")
            .arg("--file")
            .arg(archive)
            .arg("--directory")
            .arg(&self.root);
        toolchain.args([
            "--exclude=lib/rustlib/src",
            "--exclude=lib/rustlib/etc",
            "--exclude=lib/rustlib/manifest-*",
        ]);
        toolchain.args(["bin/rustc", "bin/cargo", "lib"]);
        toolchain.args(["--transform", "flags=r;s,^,toolchain/,"]);
        succeed(&mut toolchain, interrupt)
            .with_context(|| format!("cannot pack the toolchain for {}", self.host))?;
        let mut certificates = Command::new("tar");
        certificates
            .arg("--append")
            .arg("--file")
            .arg(archive)
            .args(["--dereference", "--directory", "/"]);
        certificates
            .args(["--transform", "flags=r;s,.*/,,"])
            .arg(CERTIFICATES.trim_start_matches('/'));
        succeed(&mut certificates, interrupt).with_context(|| format!("cannot pack {CERTIFICATES}"))
    }
}
