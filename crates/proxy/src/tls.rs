//! TLS towards visitors: rustls with aws-lc-rs. Certificates by the name that a visitor asks for, from
//! files, from the local authority or ordered by ACME; they may be replaced while connections are
//! open. Tickets for resumption, client certificates by site, HTTP/2 by ALPN.
//!
//! One [`Tls`] lives as long as the process. A reload gives it another plan ([`Tls::prepare`]).

mod acme;
mod authority;
mod build;
mod challenge;
mod client;
mod credential;
mod door;
mod error;
mod facts;
mod fetch;
mod keep;
mod key_file;
mod names;
mod ocsp;
mod placeholder;
mod profile;
mod report;
mod resolver;
mod session;
mod set;
mod stamp;
mod subject;
mod ticket;

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

pub use authority::LocalAuthority;
pub use build::check;
pub use challenge::WELL_KNOWN;
pub use client::Peer;
pub use error::TlsError;
pub use facts::{Facts, Finding, KeyKind};
pub use report::{CertificateReport, OcspReport};
pub use session::Session;
pub use ticket::TicketKeys;

use crate::plan::TlsPlan;
use build::Built;
use challenge::{ACME_TLS, Challenges, asks_for_proof};
use door::Doors;
use resolver::{Resolver, Table};

/// Everything that handshakes need, shared by all threads.
#[derive(Debug)]
pub struct Tls {
    table: Arc<ArcSwap<Table>>,
    doors: ArcSwap<Doors>,
    resolver: Arc<Resolver>,
    challenges: Arc<Challenges>,
    tickets: Arc<TicketKeys>,
    plan: Mutex<Arc<TlsPlan>>,
    authority: Mutex<Option<Arc<LocalAuthority>>>,
    /// Another plan may want certificates that are to be ordered.
    changed: Notify,
}

/// Another plan, with everything that it needs.
#[derive(Debug)]
pub struct Prepared {
    built: Built,
    doors: Doors,
    plan: Arc<TlsPlan>,
}

impl Tls {
    /// Reads or makes every certificate of `plan`.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(plan: &TlsPlan) -> Result<Arc<Self>, TlsError> {
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let challenges = Arc::<Challenges>::default();
        let resolver = Arc::new(Resolver {
            table: Arc::clone(&table),
            challenges: Arc::clone(&challenges),
        });
        let tickets = Arc::new(TicketKeys::new().ok_or(TlsError::Randomness)?);
        let built = build::table(plan, &table.load())?;
        let doors = Doors::new(plan, &resolver, &tickets)?;
        table.store(Arc::new(built.table));
        Ok(Arc::new(Self {
            table,
            doors: ArcSwap::from_pointee(doors),
            resolver,
            challenges,
            tickets,
            plan: Mutex::new(Arc::new(plan.clone())),
            authority: Mutex::new(built.authority),
            changed: Notify::new(),
        }))
    }

    /// Gets ready for another plan: certificates that stay are kept, changed files are read.
    ///
    /// # Errors
    /// A certificate cannot be used.
    pub fn prepare(&self, plan: &TlsPlan) -> Result<Prepared, TlsError> {
        Ok(Prepared {
            built: build::table(plan, &self.table.load())?,
            doors: Doors::new(plan, &self.resolver, &self.tickets)?,
            plan: Arc::new(plan.clone()),
        })
    }

    /// New handshakes go by what was prepared; open connections stay as they are.
    pub fn install(&self, prepared: Prepared) {
        *self.authority.lock() = prepared.built.authority;
        *self.plan.lock() = prepared.plan;
        self.table.store(Arc::new(prepared.built.table));
        self.doors.store(Arc::new(prepared.doors));
        self.changed.notify_one();
    }

    /// The file that browsers must be told to trust, if there is one.
    #[must_use]
    pub fn authority_file(&self) -> Option<PathBuf> {
        let authority = self.authority.lock();
        authority
            .as_deref()
            .map(LocalAuthority::file)
            .map(Path::to_owned)
    }

    /// Keys of session tickets, for the process that takes over.
    #[must_use]
    pub fn tickets(&self) -> &TicketKeys {
        &self.tickets
    }

    /// The answer to an authority that asks over plain HTTP whether a name is ours.
    #[must_use]
    pub fn challenge_file(&self, path: &str) -> Option<Bytes> {
        self.challenges.file(path)
    }

    /// One handshake. The caller sets the deadline. `None`: it was an authority's question and is
    /// answered.
    ///
    /// # Errors
    /// The handshake failed; the visitor was told why.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Option<(TlsStream<S>, Option<Rc<Peer>>)>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let doors = self.doors.load_full();
        let (stream, terms) = if doors.all_alike() {
            let acceptor = TlsAcceptor::from(Arc::clone(&doors.open.config));
            (acceptor.accept(stream).await?, None)
        } else {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let hello = start.client_hello();
            // An authority shows no certificate when it asks whether a name is ours.
            let door = match asks_for_proof(&hello) {
                true => &doors.open,
                false => doors.find(hello.server_name()),
            };
            let stream = start.into_stream(Arc::clone(&door.config)).await?;
            (stream, door.terms.clone())
        };
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() == Some(ACME_TLS) {
            return Ok(None);
        }
        let peer = terms.map(|terms| Rc::new(Peer::new(terms, connection)));
        Ok(Some((stream, peer)))
    }
}
