//! The listening sockets that the children share: opened here once, or inherited from whoever started
//! the pool (then their names are passed on as they came).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use kiuas_common::listener::{self, Binding, Inherited, ListenerError};
use kiuas_common::{Address, Listener};

use crate::launch::identity::{group_number, user_number};
use crate::settings::PoolSettings;

/// The kernel's own bound of every accept queue.
const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// The pool's own handles on the sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Vec<Arc<Inherited>>,
    /// They were opened here, or by the program before: nobody accepts from them when the children are
    /// gone.
    ours: bool,
    /// Paths of the Unix sockets that were made here.
    made: Vec<PathBuf>,
}

/// What can be wrong with a pool's sockets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketsError {
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// Key and problem.
    #[error("`{0}`: {1}")]
    Owner(&'static str, String),
}

impl Sockets {
    /// Takes the inherited sockets or, if there are none, opens those of the settings, and announces each.
    pub(crate) fn open(
        name: &str,
        settings: &PoolSettings,
        inherited: Vec<Inherited>,
    ) -> Result<Self, SocketsError> {
        let ours = inherited.is_empty();
        let (sockets, made) = if ours {
            bind(name, settings)?
        } else {
            if !settings.listen.is_empty() {
                tracing::info!("sockets are inherited, so `pool.{name}.listen` is not used");
            }
            (inherited, Vec::new())
        };
        for socket in &sockets {
            if let Ok(address) = socket.listener.local_address() {
                listener::announce(name, &address);
            }
        }
        Ok(Self::restore(sockets, ours, made))
    }

    /// Those that the program before handed on.
    pub(crate) fn restore(sockets: Vec<Inherited>, ours: bool, made: Vec<PathBuf>) -> Self {
        Self {
            sockets: sockets.into_iter().map(Arc::new).collect(),
            ours,
            made,
        }
    }

    /// `LISTEN_FDNAMES` for the children.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self
            .sockets
            .iter()
            .map(|socket| socket.name.as_str())
            .collect();
        names.join(":")
    }

    /// Each of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Inherited> {
        self.sockets.iter().map(Arc::as_ref)
    }

    /// For those who look and do not hold.
    pub(crate) fn weak(&self) -> Vec<Weak<Inherited>> {
        self.sockets.iter().map(Arc::downgrade).collect()
    }

    /// True if they were opened here.
    pub(crate) fn are_ours(&self) -> bool {
        self.ours
    }

    /// Paths of the Unix sockets that were made here.
    pub(crate) fn made(&self) -> &[PathBuf] {
        &self.made
    }

    /// Copies for one child.
    pub(crate) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets
            .iter()
            .map(|socket| socket.listener.as_fd().try_clone_to_owned())
            .collect()
    }

    /// Lets nobody in any more; what waits in the queues stays for the children. True if handshakes may
    /// still be on their way, for which [`listener::LAST_HANDSHAKES`] should pass before [`Sockets::close`].
    /// Sockets of somebody else's stay open: his next service accepts from them.
    pub(crate) fn let_nobody_in(&mut self) -> bool {
        self.remove_files();
        if !self.ours {
            return false;
        }
        let mut handshakes = false;
        for socket in &self.sockets {
            if matches!(socket.listener, Listener::Unix(_)) {
                continue;
            }
            match listener::let_nobody_in(&socket.listener) {
                Ok(()) => handshakes = true,
                Err(error) => {
                    tracing::debug!(%error, "connections may begin on a socket until it closes");
                }
            }
        }
        handshakes
    }

    /// Gives the sockets up. When the children are told to finish, nobody may be left who holds a
    /// socket and does not accept: a connection that is refused can be tried again elsewhere, one that
    /// waits in a queue and is then reset cannot.
    pub(crate) fn close(&mut self) {
        self.remove_files();
        self.sockets.clear();
    }

    /// At once and not at the end: a successor may bind the same path while our children drain.
    fn remove_files(&mut self) {
        for path in self.made.drain(..) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, path = %path.display(), "could not remove the socket");
            }
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.close();
    }
}

fn bind(
    name: &str,
    settings: &PoolSettings,
) -> Result<(Vec<Inherited>, Vec<PathBuf>), SocketsError> {
    let binding = binding(settings)?;
    warn_of_short_queues(name, settings);
    let (mut sockets, mut made) = (Vec::new(), Vec::new());
    for address in &settings.listen {
        let listener = Listener::bind_as(address, binding)?;
        if let Address::Unix(path) = address {
            made.push(path.clone());
        }
        let name = name.to_owned();
        sockets.push(Inherited { name, listener });
    }
    Ok((sockets, made))
}

fn binding(settings: &PoolSettings) -> Result<Binding, SocketsError> {
    let owner = |(key, problem)| SocketsError::Owner(key, problem);
    let user = settings.socket_user.as_ref();
    let group = settings.socket_group.as_ref();
    Ok(Binding {
        backlog: i32::try_from(settings.backlog).unwrap_or(listener::BACKLOG),
        mode: settings.socket_mode.0,
        user: user
            .map(|name| user_number("socket_user", name))
            .transpose()
            .map_err(owner)?,
        group: group
            .map(|name| group_number("socket_group", name))
            .transpose()
            .map_err(owner)?,
    })
}

fn warn_of_short_queues(name: &str, settings: &PoolSettings) {
    let most = std::fs::read_to_string(SOMAXCONN);
    let most: Option<u32> = most.ok().and_then(|text| text.trim().parse().ok());
    if let Some(most) = most.filter(|most| settings.backlog > *most && !settings.listen.is_empty())
    {
        tracing::warn!(
            backlog = settings.backlog,
            somaxconn = most,
            "`pool.{name}.backlog` is {}, but the kernel allows {most}: raise net.core.somaxconn or lower it",
            settings.backlog
        );
    }
}
