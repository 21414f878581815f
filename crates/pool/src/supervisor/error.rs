//! Why a pool could not start or go on.

use std::io;

use kiuas_common::listener::ListenerError;

use crate::settings::PoolSettingsError;

/// Why a pool could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A listening socket.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A name in the settings means nobody.
    #[error(transparent)]
    Settings(#[from] PoolSettingsError),
    /// The command cannot be run at all.
    #[error("cannot run `{program}`{}", hint(.source))]
    Command {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The first children could not become what they should be.
    #[error("cannot start `{program}`; the reason is above")]
    Child {
        /// The program.
        program: String,
    },
    /// The command runs, and says that trying again is useless.
    #[error("`{program}` says that its settings are wrong (exit status 64); its message is above")]
    WrongSettings {
        /// The program.
        program: String,
    },
    /// What must come before the first child has failed.
    #[error("cannot start pool `{name}`: {reason}")]
    Prepare {
        /// The pool.
        name: String,
        /// What it was.
        reason: String,
    },
    /// A signal handler, the private directory, or the like.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            ": there is no such program (is it on PATH, is its interpreter installed?)"
        }
        io::ErrorKind::PermissionDenied => ": it may not be executed",
        _ => "",
    }
}

pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> PoolError {
    move |source| PoolError::System { what, source }
}
