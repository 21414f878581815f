//! Child processes: foreground commands that are waited for, and services that run beside us.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::console::Console;
use crate::interrupt::{Interrupt, Interrupted};

const GLANCE: Duration = Duration::from_millis(20);
/// How long a foreground command may take to end after a signal.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a service may take after it was asked for the second time.
const LAST_CHANCE: Duration = Duration::from_secs(3);

/// Where a service's output goes.
#[derive(Debug, Clone)]
pub(crate) enum Log {
    /// Into the shared stream, with the service's prefix.
    Stream(Console),
    /// Into a file of the service's own in this directory, which is replaced.
    Directory(PathBuf),
}

impl Log {
    /// Makes what `command` writes come here, as the output of `name`. A stream still has to follow.
    pub(crate) fn receive(&self, name: &str, command: &mut Command) -> Result<()> {
        match self {
            Self::Stream(_) => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
            Self::Directory(directory) => {
                let path = directory.join(format!("{name}.log"));
                let file = File::create(&path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                command.stdout(file.try_clone()?).stderr(file);
            }
        }
        Ok(())
    }
}

/// How a service is asked to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// The polite signal.
    pub(crate) signal: Signal,
    /// How long it may take before it is killed.
    pub(crate) patience: Duration,
}

/// A service: a process group of its own, so that Ctrl-C in the terminal reaches us alone. It ends
/// when this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    child: Child,
    ending: Ending,
    interrupt: Interrupt,
    status: Option<ExitStatus>,
}

impl Service {
    /// Starts `command`. Start services from the main thread alone: those that follow their parent
    /// follow the thread that started them.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        log: &Log,
        ending: Ending,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        log.receive(name, &mut command)?;
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let outputs = (child.stdout.take(), child.stderr.take());
        let this = Self {
            name: name.to_owned(),
            child,
            ending,
            interrupt: interrupt.clone(),
            status: None,
        };
        if let (Log::Stream(console), (Some(output), Some(errors))) = (log, outputs) {
            console.follow(name, output)?;
            console.follow(name, errors)?;
        }
        Ok(this)
    }

    /// The name in the log stream.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Sends `signal`, unless the process is gone.
    pub(crate) fn signal(&mut self, signal: Signal) {
        // Not reaped yet, so the number is still its own.
        if self.ended().is_none()
            && let Some(pid) = pid(&self.child)
        {
            rustix::process::kill_process(pid, signal).ok();
        }
    }

    /// Asks it to end, waits, asks once more without patience, kills what is left of its group. True
    /// when the first request was enough.
    pub(crate) fn stop(&mut self) -> bool {
        if self.ended().is_some() {
            return true;
        }
        self.signal(self.ending.signal);
        let went = self.goes_within(self.ending.patience, &self.interrupt);
        if !went {
            // A second signal makes a supervisor kill its children, which a SIGKILL would orphan.
            self.signal(self.ending.signal);
            self.goes_within(LAST_CHANCE, &Interrupt::default());
        }
        // Before it is reaped: until then its number, and so the group's, cannot be anyone else's.
        if let Some(pid) = pid(&self.child) {
            rustix::process::kill_process_group(pid, Signal::KILL).ok();
        }
        self.status = self.child.wait().ok();
        went
    }

    fn goes_within(&self, patience: Duration, interrupt: &Interrupt) -> bool {
        let begin = Instant::now();
        while !self.is_zombie() {
            if begin.elapsed() >= patience || interrupt.cut() {
                return false;
            }
            std::thread::sleep(GLANCE);
        }
        true
    }

    /// True when the process has ended but nobody asked how.
    fn is_zombie(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        pid(&self.child)
            .and_then(|pid| rustix::process::waitid(WaitId::Pid(pid), options).ok())
            .is_none_or(|status| status.is_some())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.stop();
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Runs `command` in the foreground and waits for it; an interrupt ends it.
pub(crate) fn foreground(command: &mut Command, interrupt: &Interrupt) -> Result<ExitStatus> {
    interrupt.check()?;
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    loop {
        if let Some(status) = child.try_wait()? {
            // After Ctrl-C in a terminal the command may have ended by the same signal.
            interrupt.check()?;
            return Ok(status);
        }
        if interrupt.asked() {
            end(&mut child, interrupt)?;
            return Err(Interrupted.into());
        }
        std::thread::sleep(GLANCE);
    }
}

fn end(child: &mut Child, interrupt: &Interrupt) -> Result<()> {
    if let Some(pid) = pid(child) {
        rustix::process::kill_process(pid, Signal::TERM).ok();
    }
    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() >= PATIENCE || interrupt.cut() {
            child.kill()?;
            child.wait()?;
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

/// Something ended otherwise than it should; it has said why itself.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What it was, as a person would say it.
    pub(crate) what: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.status)
    }
}

impl std::error::Error for Failed {}

/// Runs `command` in the foreground; anything but success is an error that names it.
pub(crate) fn succeed(command: &mut Command, interrupt: &Interrupt) -> Result<()> {
    let status = foreground(command, interrupt)?;
    if !status.success() {
        let what = format!("`{}` failed", line(command));
        return Err(Failed { what, status }.into());
    }
    Ok(())
}

/// Runs `command` quietly and returns what it printed; its complaints are part of the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where `program` is in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        // Debian keeps servers in /usr/sbin, which users do not search.
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|directory| directory.join(program))
        .find(|file| is_executable(file))
}

/// True for a file that someone may execute.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
