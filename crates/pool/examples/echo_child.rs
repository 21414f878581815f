//! The child that the pool's tests supervise: a small HTTP server on the inherited socket that drains
//! as a good child does.
//!
//! `echo_child FILE` does what FILE says at its start: `serve TEXT`, `exit CODE`, or `hang` (run, and
//! never be ready). It answers every request with who it is; `/slow` takes half a second, `/block` does
//! so and stops the whole process meanwhile, `/stuck` never answers.

use std::convert::Infallible;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use kiuas_common::listener::{Stream, inherited};
use kiuas_common::{Listener, Shutdown, notify};
use tokio::net::TcpStream;

/// Longer than the tests' clients leave a connection idle.
const IDLE_GRACE: Duration = Duration::from_millis(500);
const LONGEST_DRAIN: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let what = std::env::args()
        .nth(1)
        .and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    match what.trim().split_once(' ') {
        Some(("exit", code)) => ExitCode::from(code.parse::<u8>().unwrap_or(1)),
        Some(("serve", text)) => finish(run(Some(text.to_owned()))),
        _ => finish(run(None)),
    }
}

fn finish(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "echo_child: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(text: Option<String>) -> std::io::Result<()> {
    notify::follow_parent()?;
    let Some(text) = text else {
        return std::future::pending().await;
    };
    let sockets = inherited().map_err(std::io::Error::other)?;
    let names: Vec<_> = sockets.iter().map(|socket| socket.name.clone()).collect();
    let slot = std::env::var("KIUAS_POOL_SLOT").unwrap_or_default();
    let pid = std::process::id();
    let identity = format!(
        "pid={pid} slot={slot} names={} text={text}\n",
        names.join(",")
    );
    let child = Child {
        identity: identity.into(),
        drain: Shutdown::new(),
        close: Shutdown::new(),
    };
    child.drain.listen_for_signals()?;
    let mut accepting = Vec::new();
    for socket in sockets {
        let accept = child.clone().accept(socket.listener);
        accepting.push(child.close.spawn(accept));
    }
    notify::ready();
    child.drain.draining().await;
    notify::stopping();
    for loops in accepting {
        drop(loops.await);
    }
    tokio::time::sleep(IDLE_GRACE).await;
    child.close.drain(LONGEST_DRAIN).await;
    Ok(())
}

#[derive(Clone)]
struct Child {
    identity: Arc<str>,
    /// No new connections; answers say that the connection closes.
    drain: Shutdown,
    /// Idle connections close; holds the connections.
    close: Shutdown,
}

impl Child {
    async fn accept(self, listener: Listener) -> std::io::Result<()> {
        let rest = listener.try_clone()?;
        let listener = listener.into_tokio()?;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.drain.draining() => break,
            };
            if let Ok((stream, _)) = accepted {
                self.serve(stream);
            }
        }
        // What still waits in the queue when the last holder closes the socket would be reset. The
        // kernel is asked directly: the runtime knows only of connections that it was told of.
        if let Listener::Tcp(rest) = rest {
            while let Ok((stream, _)) = rest.accept() {
                stream.set_nonblocking(true)?;
                self.serve(Stream::Tcp(TcpStream::from_std(stream)?));
            }
        }
        Ok(())
    }

    fn serve(&self, stream: Stream) {
        drop(self.close.spawn(self.clone().connection(stream)));
    }

    async fn connection(self, stream: Stream) {
        let service = service_fn(|request| self.answer(request));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(served);
        let ended = tokio::select! {
            ended = &mut served => ended,
            () = self.close.draining() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        drop(ended);
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        match request.uri().path() {
            "/slow" => tokio::time::sleep(Duration::from_millis(500)).await,
            "/block" => std::thread::sleep(Duration::from_millis(500)),
            "/stuck" => std::future::pending().await,
            _ => {}
        }
        let mut response =
            Response::new(Full::new(Bytes::copy_from_slice(self.identity.as_bytes())));
        if self.drain.is_draining() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok(response)
    }
}
