//! What a process tells its supervisor, and how it notices that the supervisor is gone.
//!
//! The protocol is systemd's `sd_notify`: datagrams of `KEY=VALUE` lines to the Unix socket named by
//! `NOTIFY_SOCKET` (`sd_notify(3)`). systemd and `kiuas-pool` both understand it; without the variable
//! nothing is sent.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Set by a supervisor whose children shall end with it.
pub const FOLLOW_PARENT: &str = "KIUAS_FOLLOW_PARENT";

/// True if somebody supervises this process in a way that this module knows.
#[must_use]
pub fn is_supervised() -> bool {
    ["NOTIFY_SOCKET", FOLLOW_PARENT, crate::scoreboard::VARIABLE]
        .into_iter()
        .any(|variable| env::var_os(variable).is_some())
}

/// "May receive work": sent once, when everything the process needs answers.
pub fn ready() {
    send("READY=1");
}

/// "Reading the settings anew": sent before, and [`ready`] after it. systemd wants to know since when
/// (`Type=notify-reload`).
pub fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// "From now on this process is the service": sent by the older one at an upgrade.
pub fn main_pid(pid: u32) {
    send(&format!("MAINPID={pid}"));
}

/// "Draining": sent when the process has stopped taking new work.
pub fn stopping() {
    send("STOPPING=1");
}

/// A short free text for humans, shown in the supervisor's status.
pub fn status(text: &str) {
    send(&format!("STATUS={}", text.replace('\n', " ")));
}

fn send(message: &str) {
    match try_send(message) {
        Ok(()) => {}
        // It waited for READY alone and has closed its ear, or has ended.
        Err(error) if is_gone(&error) => {
            tracing::debug!(%error, "nobody hears `{message}` any more");
        }
        Err(error) => tracing::warn!(%error, "could not tell the supervisor `{message}`"),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn try_send(message: &str) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let bytes = path.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

/// True if a supervisor whose children shall end with it ([`FOLLOW_PARENT`]) is gone.
#[must_use]
pub fn supervisor_is_gone() -> bool {
    let expected = env::var(FOLLOW_PARENT).ok();
    expected.is_some_and(|expected| expected.parse() != Ok(parent()))
}

/// Who started this process, or has adopted it since.
fn parent() -> i32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get())
}

/// Makes the kernel send SIGTERM to this process when its parent's starting thread ends, if the
/// parent asked for it with [`FOLLOW_PARENT`]. Without it a supervisor that is killed would leave its
/// children serving an unsupervised socket for ever.
///
/// # Errors
/// The system call failed, or the parent was already gone.
pub fn follow_parent() -> io::Result<()> {
    let Ok(expected) = env::var(FOLLOW_PARENT) else {
        return Ok(());
    };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    // The parent may have died before the line above: then no signal will ever come.
    let parent = parent();
    match expected.parse::<i32>() {
        Ok(pid) if pid == parent => Ok(()),
        _ => Err(io::Error::other(format!(
            "the supervising process {expected} is gone (parent is now {parent})"
        ))),
    }
}
