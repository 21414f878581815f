//! Visitors for measurements that no common load generator makes: TLS connections of one request each,
//! with and without resumption, and connections that stay open and idle.
//!
//! ```text
//! visitors handshakes ADDRESS NAME CERTIFICATE SECONDS CONCURRENCY full|resumed
//! visitors idle ADDRESS CERTIFICATE|- COUNT
//! ```
//! The first prints one line of JSON. The second prints `ready` once all connections are open, each
//! after one answered request, and keeps them until its standard input ends.
#![expect(
    clippy::print_stdout,
    reason = "a program for measurements: it prints its result"
)]

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

const REQUEST: &[u8] = b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    kiuas_common::tls::install_provider();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    match arguments.as_slice() {
        [
            "handshakes",
            address,
            name,
            certificate,
            seconds,
            concurrency,
            kind,
        ] => {
            let resume = match *kind {
                "full" => false,
                "resumed" => true,
                other => bail!("`{other}` is neither `full` nor `resumed`"),
            };
            let until = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
            // A store of sessions each: a ticket is used once, and nobody takes another's.
            let load = |_| {
                Ok(Load {
                    address: address.parse()?,
                    name: ServerName::try_from((*name).to_owned())?,
                    connector: connector(certificate, resume)?,
                    resume,
                    until,
                })
            };
            let concurrency: usize = concurrency.parse()?;
            let loads = (0..concurrency).map(load).collect::<Result<_>>()?;
            tasks.block_on(&runtime, handshakes(loads))
        }
        ["idle", address, certificate, count] => {
            let connector = match *certificate {
                "-" => None,
                file => Some(connector(file, false)?),
            };
            tasks.block_on(&runtime, idle(address.parse()?, connector, count.parse()?))
        }
        _ => bail!("see the first lines of this program for its arguments"),
    }
}

fn connector(certificate: &str, resume: bool) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(certificate)
        .with_context(|| format!("cannot read {certificate}"))?;
    for certificate in certificates {
        roots.add(certificate?)?;
    }
    // The only group that all servers know; hybrid ones would be work for ours alone.
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !resume {
        client.resumption = Resumption::disabled();
    }
    Ok(TlsConnector::from(Arc::new(client)))
}

struct Load {
    address: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    resume: bool,
    until: Instant,
}

#[derive(Default)]
struct Counts {
    done: usize,
    resumed: usize,
    failed: usize,
    microseconds: Vec<u64>,
}

async fn handshakes(loads: Vec<Load>) -> Result<()> {
    let counts = Rc::new(RefCell::new(Counts::default()));
    let mut visitors = Vec::new();
    for load in loads {
        let counts = Rc::clone(&counts);
        visitors.push(tokio::task::spawn_local(async move {
            while Instant::now() < load.until {
                let begun = Instant::now();
                let outcome = tokio::time::timeout(PATIENCE, one(&load)).await;
                let mut counts = counts.borrow_mut();
                match outcome {
                    Ok(Ok(resumed)) => {
                        counts.done += 1;
                        counts.resumed += usize::from(resumed);
                        let took = begun.elapsed().as_micros();
                        counts
                            .microseconds
                            .push(u64::try_from(took).unwrap_or(u64::MAX));
                    }
                    _ => counts.failed += 1,
                }
            }
        }));
    }
    for visitor in visitors {
        visitor.await?;
    }
    let mut counts = counts.borrow_mut();
    counts.microseconds.sort_unstable();
    let at = |share: f64| {
        let last = counts.microseconds.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into some thousands of figures"
        )]
        let index = (last as f64 * share) as usize;
        counts.microseconds.get(index).copied().unwrap_or_default()
    };
    println!(
        r#"{{"done":{},"resumed":{},"failed":{},"p50_us":{},"p99_us":{}}}"#,
        counts.done,
        counts.resumed,
        counts.failed,
        at(0.50),
        at(0.99)
    );
    Ok(())
}

/// One connection with one request; true if it resumed a session.
async fn one(load: &Load) -> Result<bool> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut stream = load.connector.connect(load.name.clone(), stream).await?;
    ask(&mut stream).await?;
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    if !load.resume && resumed {
        bail!("a session was resumed that should not have been");
    }
    drop(stream.shutdown().await);
    Ok(resumed)
}

/// Sends a request and reads its answer to the end.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<()> {
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut read = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            bail!("the connection ended early");
        }
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(read.get(..end).unwrap_or_default()).to_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .context("an answer without length")?
            .trim()
            .parse()?;
        if read.len() >= end + 4 + length {
            return Ok(());
        }
    }
}

async fn idle(address: SocketAddr, connector: Option<TlsConnector>, count: usize) -> Result<()> {
    let mut plain = Vec::new();
    let mut secure = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        match &connector {
            None => {
                ask(&mut stream).await?;
                plain.push(stream);
            }
            Some(connector) => {
                let name = ServerName::try_from("localhost")?;
                let mut stream = connector.connect(name, stream).await?;
                ask(&mut stream).await?;
                secure.push(stream);
            }
        }
    }
    println!("ready");
    // Blocks the one thread: there is nothing else to do.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    drop((plain, secure));
    Ok(())
}
