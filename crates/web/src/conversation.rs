//! What a handler goes on with after its answer: the conversation over a WebSocket.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_web::{HttpRequest, rt};

use crate::boundary::{Visitor, trace_of};
use crate::load::{Begin, Load, Pulse};

/// Where conversations of a thread are shown; in `app_data`.
#[derive(Debug, Clone)]
pub(crate) struct Conversations {
    pub(crate) load: Rc<Load>,
    /// `web.request_timeout`: one step may take no longer than a handler.
    pub(crate) limit: Duration,
}

/// Runs `conversation` on the handler's thread when the handler has answered. The supervisor sees it under
/// the name of the request, and can tell that it is what holds the thread: no step of it may take longer
/// than `web.request_timeout` and `web.hard_grace`. Use it in place of `actix_web::rt::spawn` for what
/// follows an `actix_ws::handle`.
///
/// The conversation must watch [`kiuas_common::Shutdown`] and end with a drain.
pub fn converse(request: &HttpRequest, conversation: impl Future<Output = ()> + 'static) {
    let Some(shown) = request.app_data::<Conversations>() else {
        // Outside a server there is nobody to see it.
        drop(rt::spawn(conversation));
        return;
    };
    if let Some(pulse) = request.conn_data::<Rc<Pulse>>() {
        pulse.mark_conversation();
    }
    let talk = shown.load.converse(Begin {
        method: request.method().as_str(),
        path: request.path(),
        id: &Visitor::of(request).request_id,
        trace_id: trace_of(request.headers()),
        limit: shown.limit,
    });
    let mut conversation: Pin<Box<dyn Future<Output = ()>>> = Box::pin(conversation);
    drop(rt::spawn(async move {
        poll_fn(|cx| {
            let _step = talk.polling();
            conversation.as_mut().poll(cx)
        })
        .await;
    }));
}
