//! A WebSocket client of a poll's live results.

use futures_util::StreamExt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

/// One message of `/polls/{id}/live`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) counts: BTreeMap<Uuid, u64>,
    pub(crate) total: u64,
    pub(crate) closed: bool,
}

/// An open connection.
pub(crate) struct Live {
    socket: WebSocketStream<TcpStream>,
}

impl Live {
    pub(crate) async fn open(authority: &str, poll: &str) -> Self {
        let address = format!("ws://{authority}{poll}/live");
        let mut request = address.into_client_request().expect("WebSocket address");
        let origin = format!("http://{authority}").parse().expect("origin");
        request.headers_mut().insert("Origin", origin);
        let stream = TcpStream::connect(authority).await.expect("connect");
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .expect("WebSocket handshake");
        Self { socket }
    }

    /// Reads until a message satisfies `wanted`.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Results) -> bool,
    ) -> Results {
        let mut last = None;
        let found = tokio::time::timeout(patience, async {
            while let Some(message) = self.socket.next().await {
                if let Message::Text(text) = message.expect("WebSocket message") {
                    let results: Results = serde_json::from_str(&text).expect("results");
                    if wanted(&results) {
                        return results;
                    }
                    last = Some(results);
                }
            }
            panic!("the WebSocket was closed while waiting for {what}");
        })
        .await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}; the last message was {last:?}"))
    }
}
