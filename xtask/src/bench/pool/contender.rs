//! Who is measured, and how each is started.

use std::path::PathBuf;
use std::process::Command;

use super::stage::{Layout, Stage};

/// A server of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `kiuas-pool` with children of `kiuas-web`.
    Kiuas,
    /// actix-web alone, in one process with all threads.
    Actix,
    /// actix-web alone as children of `kiuas-pool`: one shared socket, actix-server's own acceptor and
    /// its own `stop(true)`.
    ActixPool,
    Uwsgi,
    Gunicorn,
    Granian,
}

/// How a server is made to start its application anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// SIGHUP to the first process.
    Hup,
    /// The file of uWSGI's `touch-chain-reload`.
    Touch,
    /// It is stopped and started again.
    Restart,
}

/// A server, and a way to roll it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) way: Way,
}

const fn contender(name: &'static str, kind: Kind, way: Way) -> Contender {
    Contender { name, kind, way }
}

pub(super) const KIUAS: Contender = contender("kiuas", Kind::Kiuas, Way::Hup);
pub(super) const ACTIX: Contender = contender("actix", Kind::Actix, Way::Restart);
pub(super) const ACTIX_POOL: Contender = contender("actix-pool", Kind::ActixPool, Way::Hup);
/// uWSGI's best way to roll is the one that bears its name alone.
pub(super) const UWSGI: Contender = contender("uwsgi", Kind::Uwsgi, Way::Touch);
pub(super) const UWSGI_HUP: Contender = contender("uwsgi-hup", Kind::Uwsgi, Way::Hup);
pub(super) const UWSGI_RESTART: Contender = contender("uwsgi-restart", Kind::Uwsgi, Way::Restart);
pub(super) const GUNICORN: Contender = contender("gunicorn", Kind::Gunicorn, Way::Hup);
pub(super) const GRANIAN: Contender = contender("granian", Kind::Granian, Way::Hup);

impl Kind {
    /// True if it serves the application for Python.
    pub(super) fn is_python(self) -> bool {
        matches!(self, Self::Uwsgi | Self::Gunicorn | Self::Granian)
    }

    /// True if it listens on a Unix socket besides its port.
    pub(super) fn has_socket(self) -> bool {
        !matches!(self, Self::Actix | Self::Granian)
    }

    /// Its program; `None` if it is not installed.
    fn program(self, stage: &Stage) -> Option<PathBuf> {
        let name = match self {
            Self::Kiuas | Self::ActixPool => return Some(stage.programs.join("kiuas-pool")),
            Self::Actix => return Some(stage.programs.join("examples/bare")),
            Self::Uwsgi => "uwsgi",
            Self::Gunicorn => "gunicorn",
            Self::Granian => "granian",
        };
        let program = stage.python.as_ref()?.join(name);
        program.is_file().then_some(program)
    }
}

impl Contender {
    /// True if it can be measured here.
    pub(super) fn is_installed(self, stage: &Stage) -> bool {
        self.kind.program(stage).is_some()
    }

    /// The command that serves on `port`; `None` if it is not installed.
    pub(super) fn command(self, stage: &Stage, layout: &Layout, port: u16) -> Option<Command> {
        let program = self.kind.program(stage)?;
        let mut command = layout.command(&program);
        command.env("MEASURED_START", layout.start_ms.to_string());
        match self.kind {
            Kind::Kiuas | Kind::ActixPool => pool(&mut command, stage, self),
            Kind::Actix => {
                let threads = layout.processes * layout.threads;
                command.arg(threads.to_string());
                command.arg(format!("127.0.0.1:{port}"));
            }
            Kind::Uwsgi => uwsgi(&mut command, stage, layout, self, port),
            Kind::Gunicorn => gunicorn(&mut command, stage, layout, self, port),
            Kind::Granian => granian(&mut command, stage, layout, port),
        }
        Some(command)
    }

    /// The Unix socket that it listens on, if it does.
    pub(super) fn socket(self, stage: &Stage) -> Option<PathBuf> {
        let file = stage.directory.join(format!("{}.sock", self.name));
        self.kind.has_socket().then_some(file)
    }

    /// The file that uWSGI watches.
    pub(super) fn touched(self, stage: &Stage) -> PathBuf {
        stage.directory.join(format!("{}.touch", self.name))
    }
}

fn pool(command: &mut Command, stage: &Stage, contender: Contender) {
    command.args(["run", "--name", "web"]);
    command.env("KIUAS_CONFIG", stage.settings(contender));
    command.env("KIUAS_ENV", "testing");
}

/// As Websauna runs it: one interpreter a process that loads the application itself, a deadline, statistics.
fn uwsgi(command: &mut Command, stage: &Stage, layout: &Layout, contender: Contender, port: u16) {
    let file = |suffix: &str| stage.directory.join(format!("{}.{suffix}", contender.name));
    command
        .arg("--http-socket")
        .arg(format!("127.0.0.1:{port}"));
    command.arg("--http-socket").arg(file("sock"));
    command.arg("--stats").arg(file("stats"));
    command
        .arg("--touch-chain-reload")
        .arg(contender.touched(stage));
    command.arg("--processes").arg(layout.processes.to_string());
    command.arg("--threads").arg(layout.threads.to_string());
    command
        .arg("--wsgi-file")
        .arg(stage.directory.join("app.py"));
    command.args(["--master", "--lazy-apps", "--need-app", "--die-on-term"]);
    command.args(["--harakiri", "300", "--max-requests", "1000000000"]);
    command.args(["--listen", "1024", "--disable-logging"]);
    // Its HTTP socket closes after each answer, and should say so.
    command.args(["--add-header", "Connection: close"]);
}

fn gunicorn(
    command: &mut Command,
    stage: &Stage,
    layout: &Layout,
    contender: Contender,
    port: u16,
) {
    let socket = stage.directory.join(format!("{}.sock", contender.name));
    command.arg("app:application");
    command.arg("--chdir").arg(&stage.directory);
    command.arg("--bind").arg(format!("127.0.0.1:{port}"));
    command
        .arg("--bind")
        .arg(format!("unix:{}", socket.display()));
    command.arg("--workers").arg(layout.processes.to_string());
    command.arg("--threads").arg(layout.threads.to_string());
    command.args(["--worker-class", "gthread", "--keep-alive", "75"]);
    command.args(["--timeout", "300", "--log-level", "warning"]);
}

fn granian(command: &mut Command, stage: &Stage, layout: &Layout, port: u16) {
    command.args(["--interface", "wsgi", "app:application"]);
    command.arg("--working-dir").arg(&stage.directory);
    command
        .args(["--host", "127.0.0.1", "--port"])
        .arg(port.to_string());
    command.arg("--workers").arg(layout.processes.to_string());
    command
        .arg("--blocking-threads")
        .arg(layout.threads.to_string());
    command.args(["--http", "1", "--log-level", "warning"]);
}

/// What the settings of our pool are made of.
pub(super) fn filled(
    text: &str,
    stage: &Stage,
    layout: &Layout,
    contender: Contender,
    port: u16,
) -> String {
    let example = |name: &str| stage.programs.join("examples").join(name);
    let program = match contender.kind {
        Kind::ActixPool => {
            // Its threads are an argument.
            let threads = layout.threads;
            format!("{}\", \"{threads}", example("bare").display())
        }
        _ => example(layout.example).display().to_string(),
    };
    [
        ("@PROGRAM@", program.as_str()),
        ("@DIR@", &stage.directory.to_string_lossy()),
        ("@NAME@", contender.name),
        ("@PORT@", &port.to_string()),
        ("@PROCESSES@", &layout.processes.to_string()),
        ("@THREADS@", &layout.threads.to_string()),
        ("@REQUEST_TIMEOUT@", layout.request_timeout),
        ("@HARD_GRACE@", layout.hard_grace),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (mark, value)| {
        text.replace(mark, value)
    })
}
