//! Applications that are nothing but a script of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts.
pub(crate) type Count = Arc<AtomicUsize>;

/// Runs `serve` for every connection, with its number from 1; the target and the count of connections.
pub(crate) async fn raw<F, S>(serve: S) -> (String, Count)
where
    S: Fn(TcpStream, usize) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    let count = Count::default();
    let connections = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::spawn(serve(stream, number));
        }
    });
    (target, count)
}

/// Reads one request's head and whatever came with it; `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}

/// An application that says `answer` to every request and keeps its connections.
pub(crate) async fn says(answer: impl Into<Vec<u8>>) -> (String, Count) {
    let answer = Arc::new(answer.into());
    raw(move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move {
            while read_request(&mut stream).await.is_some() {
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}
