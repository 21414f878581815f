//! A socket between the runner and PostgreSQL that stops it at a statement of choice.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// On which side of a statement the runner dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// PostgreSQL never hears of the statement.
    Before,
    /// PostgreSQL runs it, and nobody hears the answer.
    Behind,
}

/// The socket; it is there as long as this.
pub(crate) struct Wire {
    directory: tempfile::TempDir,
    /// Says when the statement has come.
    pub(crate) reached: Receiver<()>,
}

impl Wire {
    /// Passes everything on to PostgreSQL's socket in `server`, up to `side` of statement `number` (from 0)
    /// in simple protocol; of that connection nothing passes any more.
    pub(crate) fn cut(server: &Path, number: usize, side: Side) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("socket");
        let target = server.join(".s.PGSQL.5432");
        let (sender, reached) = sync_channel(1);
        let seen = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let cut = Cut {
                    seen: Arc::clone(&seen),
                    number,
                    side,
                    sender: sender.clone(),
                };
                connect(client, &target, cut);
            }
        });
        Self { directory, reached }
    }

    /// Where the runner finds it.
    pub(crate) fn host(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

struct Cut {
    seen: Arc<AtomicUsize>,
    number: usize,
    side: Side,
    sender: SyncSender<()>,
}

fn connect(client: UnixStream, target: &Path, cut: Cut) {
    let server = UnixStream::connect(target).expect("PostgreSQL");
    let mut answers = (
        server.try_clone().expect("socket"),
        client.try_clone().expect("socket"),
    );
    thread::spawn(move || io::copy(&mut answers.0, &mut answers.1));
    thread::spawn(move || {
        // The runner's death ends it, whatever it was at.
        drop(pass(client, &server, &cut));
        drop(server.shutdown(std::net::Shutdown::Both));
    });
}

/// Message by message; the first one has no type.
fn pass(mut client: UnixStream, mut server: &UnixStream, cut: &Cut) -> io::Result<()> {
    server.write_all(&message(&mut client, false)?)?;
    loop {
        let message = message(&mut client, true)?;
        let is_here =
            message.first() == Some(&b'Q') && cut.seen.fetch_add(1, Ordering::SeqCst) == cut.number;
        if !is_here || cut.side == Side::Behind {
            server.write_all(&message)?;
        }
        if is_here {
            cut.sender.try_send(()).unwrap_or_default();
            // Nothing more until the runner is gone.
            io::copy(&mut client, &mut io::sink())?;
            return Ok(());
        }
    }
}

fn message(client: &mut UnixStream, has_type: bool) -> io::Result<Vec<u8>> {
    let mut head = vec![0; if has_type { 5 } else { 4 }];
    client.read_exact(&mut head)?;
    let length = head
        .last_chunk::<4>()
        .map_or(4, |length| u32::from_be_bytes(*length));
    let mut body = vec![0; usize::try_from(length).expect("length") - 4];
    client.read_exact(&mut body)?;
    head.extend(body);
    Ok(head)
}
