//! Starts children: fork and exec, with the shared sockets, a mailbox and a process group of their own.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use command_fds::CommandFdExt;
use kiuas_common::Shutdown;
use kiuas_common::notify::FOLLOW_PARENT;
use rustix::process::Pid;
use tokio::sync::mpsc::Sender;

use crate::mailbox::{Directory, Listening, Mailbox, Notice};
use crate::sockets::Sockets;

/// Tells a child which seat it has: 0 to processes - 1. It stays the same when a child is replaced.
const SLOT_VARIABLE: &str = "KIUAS_POOL_SLOT";

/// Everything that the start of a child needs.
#[derive(Debug)]
pub(crate) struct Launcher {
    command: Vec<String>,
    directory: Directory,
    notices: Sender<Notice>,
    tasks: Shutdown,
    started: u64,
}

impl Launcher {
    pub(crate) fn new(
        command: Vec<String>,
        notices: Sender<Notice>,
        tasks: Shutdown,
    ) -> io::Result<Self> {
        Ok(Self {
            command,
            directory: Directory::create()?,
            notices,
            tasks,
            started: 0,
        })
    }

    /// Starts a child. Must be called on the main thread: the kernel ends a child that follows its
    /// parent when the thread that started it ends.
    pub(crate) fn launch(
        &mut self,
        seat: usize,
        sockets: &Sockets,
    ) -> io::Result<(Pid, Listening)> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| io::Error::other("the command is empty"))?;
        self.started += 1;
        let mailbox = Mailbox::open(&self.directory, self.started)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            // Ctrl-C on a terminal reaches the pool alone; it passes the end on in its own order.
            .process_group(0)
            .env("NOTIFY_SOCKET", mailbox.path())
            .env(FOLLOW_PARENT, std::process::id().to_string())
            .env(SLOT_VARIABLE, seat.to_string())
            .env_remove("LISTEN_PID");
        if sockets.len() == 0 {
            command
                .env_remove("LISTEN_FDS")
                .env_remove("LISTEN_FDNAMES");
        } else {
            command
                .env("LISTEN_FDS", sockets.len().to_string())
                .env("LISTEN_FDNAMES", sockets.names())
                .fd_mappings(sockets.mappings()?)
                .map_err(io::Error::other)?;
        }
        // Not waited for here: every end is collected in one place, `reap`.
        let pid = command.spawn()?.id();
        let pid = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the kernel gave no usable process id"))?;
        let listening = mailbox.listen(pid, self.notices.clone(), &self.tasks);
        Ok((pid, listening))
    }
}
