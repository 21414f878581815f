//! The pool's end of the control socket, and the statistics server. Everything is bounded: connections,
//! requests, and the time to send and to take one.

use std::time::Duration;

use kiuas_common::listener::{self, ListenerError, SocketFile, Stream, accept_private};
use kiuas_common::{Listener, Shutdown};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::desk::Desk;
use super::{Answer, LONGEST_REQUEST, Request};

const MOST_CONNECTIONS: usize = 32;
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Answers on `listener` until the pool is gone, and announces it as `name`.
///
/// # Errors
/// The socket cannot be used.
pub(crate) fn serve_control(
    listener: Listener,
    desk: Desk,
    tasks: &Shutdown,
) -> Result<(), ListenerError> {
    serve(listener, "control", tasks, move |stream| {
        control(stream, desk.clone())
    })
}

/// How the statistics server speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StatsForm {
    /// It writes them to whoever connects.
    Bare,
    /// It answers HTTP requests with them.
    Http,
}

/// Writes the statistics to whoever connects, as uWSGI's stats server does.
///
/// # Errors
/// The socket cannot be used.
pub(crate) fn serve_stats(
    listener: Listener,
    desk: Desk,
    form: StatsForm,
    tasks: &Shutdown,
) -> Result<(), ListenerError> {
    serve(listener, "stats", tasks, move |stream| {
        stats(stream, desk.clone(), form)
    })
}

fn serve<F, R>(
    listener: Listener,
    name: &'static str,
    tasks: &Shutdown,
    answer: F,
) -> Result<(), ListenerError>
where
    F: Fn(Stream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let failed = |source| ListenerError::Bind {
        address: format!("the {name} address"),
        source,
    };
    let address = listener.local_address().map_err(failed)?;
    let listener = listener.into_tokio().map_err(failed)?;
    listener::announce(name, &address);
    let file = SocketFile::of(&address);
    let until = tasks.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "it answers during the drain, and must not hold it up"
    )]
    tokio::spawn(async move {
        let _file = file;
        tokio::select! {
            () = accept_private(listener, name, MOST_CONNECTIONS, answer) => {}
            () = until.cutting() => {}
        }
    });
    Ok(())
}

async fn control(stream: Stream, desk: Desk) {
    let mut stream = BufReader::new(stream);
    let answer = match tokio::time::timeout(REQUEST_DEADLINE, read(&mut stream)).await {
        Ok(Ok(request)) => {
            let answer = desk.answer(request.clone()).await;
            if let Answer::Error(problem) = &answer {
                tracing::info!(?request, problem, "an order was not carried out");
            }
            answer
        }
        Ok(Err(problem)) => Answer::Error(problem),
        Err(_) => Answer::Error("the request came too slowly".to_owned()),
    };
    let text = serde_json::to_string(&answer)
        .unwrap_or_else(|_| r#"{"error":"the answer cannot be written as JSON"}"#.to_owned());
    write(stream.get_mut(), &text).await;
}

async fn read(stream: &mut BufReader<Stream>) -> Result<Request, String> {
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX);
    let read = stream.take(limit).read_until(b'\n', &mut line).await;
    read.map_err(|error| format!("the request cannot be read: {error}"))?;
    if line.len() >= LONGEST_REQUEST {
        return Err(format!(
            "the request is longer than {LONGEST_REQUEST} bytes"
        ));
    }
    serde_json::from_slice(&line)
        .map_err(|error| format!("the request cannot be understood: {error}"))
}

async fn stats(mut stream: Stream, desk: Desk, form: StatsForm) {
    let document = match desk.stats().await {
        Ok(document) => format!("{document:#}"),
        Err(problem) => {
            tracing::debug!(problem, "no statistics");
            return;
        }
    };
    match form {
        StatsForm::Bare => write(&mut stream, &document).await,
        StatsForm::Http => {
            // Bytes that nobody has read would reset the connection when it is closed.
            match tokio::time::timeout(REQUEST_DEADLINE, read_head(&mut stream)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
                        Cache-Control: no-store\r\n\r\n";
            write(&mut stream, &format!("{head}{document}")).await;
        }
    }
}

/// Reads the head of a request, whatever it says; it has no body.
async fn read_head(stream: &mut Stream) -> std::io::Result<()> {
    let limit = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX);
    let mut lines = BufReader::new(stream.take(limit)).lines();
    while lines
        .next_line()
        .await?
        .is_some_and(|line| !line.is_empty())
    {}
    Ok(())
}

async fn write(stream: &mut Stream, text: &str) {
    let written = async {
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        stream.shutdown().await
    };
    match tokio::time::timeout(ANSWER_DEADLINE, written).await {
        Ok(Ok(())) => {}
        // Whoever asked is gone.
        Ok(Err(error)) => tracing::debug!(%error, "an answer was not taken"),
        Err(_) => tracing::debug!("an answer was not taken in time"),
    }
}
