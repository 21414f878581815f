//! The WebSocket of one visitor.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, Session};
use futures_util::StreamExt;
use kiuas_common::Shutdown;

use super::Live;
use super::hub::{Event, Subscription};
use crate::boundary::{Endless, Visitor};
use crate::conversation::converse;
use crate::error::WebError;

/// Visitors of a live page send nothing but control frames.
const LARGEST_FRAME: usize = 4 * 1024;
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// Answers a WebSocket request: sends `snapshot` first and again whenever messages may have been lost,
/// and everything published on `channel` in between. When the process drains, the socket is closed
/// with 1001 ("going away") and the page reconnects.
///
/// # Errors
/// 403 if another site's page asks, 400 if it is no WebSocket request, 503 outside a server.
pub fn socket<S, E>(
    request: &HttpRequest,
    body: web::Payload,
    channel: &str,
    snapshot: S,
) -> Result<HttpResponse, actix_web::Error>
where
    S: AsyncFn() -> Result<String, E> + 'static,
    E: Into<WebError> + 'static,
{
    if !Visitor::of(request).is_same_origin(request.headers()) {
        return Err(WebError::forbidden("This connection belongs to another site.").into());
    }
    let live = request
        .app_data::<web::Data<Live>>()
        .ok_or_else(|| WebError::internal("live updates are not set up"))?;
    let shutdown = request
        .app_data::<Shutdown>()
        .cloned()
        .ok_or_else(|| WebError::internal("live updates need a server"))?;
    let (mut response, session, messages) = actix_ws::handle(request, body)?;
    response.extensions_mut().insert(Endless);
    let conversation = Conversation {
        session,
        messages: messages
            .max_frame_size(LARGEST_FRAME)
            .aggregate_continuations()
            .max_continuation_size(LARGEST_FRAME),
        subscription: live.subscribe(channel),
        snapshot,
    };
    converse(request, conversation.run(shutdown));
    Ok(response)
}

struct Conversation<S> {
    session: Session,
    messages: actix_ws::AggregatedMessageStream,
    subscription: Subscription,
    snapshot: S,
}

/// Why a conversation ends.
enum End {
    /// The visitor is gone, or said goodbye.
    Gone,
    /// We say goodbye.
    Close(CloseCode),
}

impl<S, E> Conversation<S>
where
    S: AsyncFn() -> Result<String, E>,
    E: Into<WebError>,
{
    async fn run(mut self, shutdown: Shutdown) {
        let end = tokio::select! {
            end = self.talk() => end,
            () = shutdown.draining() => End::Close(CloseCode::Away),
        };
        let reason = match end {
            End::Gone => None,
            End::Close(code) => Some(CloseReason::from(code)),
        };
        // The visitor may be gone already; there is nobody to tell then.
        drop(tokio::time::timeout(SEND_DEADLINE, self.session.close(reason)).await);
    }

    async fn talk(&mut self) -> End {
        if let Err(end) = self.send_snapshot().await {
            return end;
        }
        let mut last_heard = Instant::now();
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            let step = tokio::select! {
                event = self.subscription.next() => match event {
                    Some(Event::Message(text)) => self.send(text.to_string()).await,
                    Some(Event::Resync) => self.send_snapshot().await,
                    None => Err(End::Close(CloseCode::Again)),
                },
                message = self.messages.next() => {
                    last_heard = Instant::now();
                    self.heard(message).await
                }
                _ = ping.tick() => {
                    if last_heard.elapsed() > SILENCE {
                        Err(End::Gone)
                    } else {
                        self.session.ping(b"").await.map_err(|_| End::Gone)
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn heard(
        &mut self,
        message: Option<Result<AggregatedMessage, actix_ws::ProtocolError>>,
    ) -> Result<(), End> {
        match message {
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                self.session.pong(&bytes).await.map_err(|_| End::Gone)
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Text(_) | AggregatedMessage::Binary(_))) => {
                Err(End::Close(CloseCode::Policy))
            }
            Some(Ok(AggregatedMessage::Close(_))) => Err(End::Close(CloseCode::Normal)),
            Some(Err(_)) => Err(End::Close(CloseCode::Protocol)),
            None => Err(End::Gone),
        }
    }

    async fn send_snapshot(&mut self) -> Result<(), End> {
        match (self.snapshot)().await {
            Ok(text) => self.send(text).await,
            Err(error) => {
                let error: WebError = error.into();
                tracing::error!(%error, "cannot make the snapshot of a live page");
                Err(End::Close(CloseCode::Error))
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        match tokio::time::timeout(SEND_DEADLINE, self.session.text(text)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(CloseCode::Again)),
        }
    }
}
