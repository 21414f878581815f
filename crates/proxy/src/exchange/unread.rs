//! A body that nobody needs. Over HTTP/2 an answer ends its stream, and with it the chance to say that the
//! rest of the request is malformed (RFC 9113 8.1.1): what is on its way is heard out before the answer,
//! within bounds. (Over HTTP/1 the reader judges bodies whatever the answer was.)

use std::time::Duration;

use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::Body;

use super::{Connection, Reader};
use crate::body::{BodyFault, BodyPace, Inbound};
use crate::fault::Fault;

/// What HTTP/2 lets a visitor send unasked (RFC 9113 6.9.2). A longer one need not be sent: the answer
/// comes at once, and with it the wish that he stops.
const MOST: u64 = 64 * 1024;
/// How long an answer waits for the rest.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reads what is left of `body` and forgets it.
///
/// # Errors
/// It was malformed. h2 has told the visitor so; there is nobody to answer any more.
pub(super) async fn hear_out(
    connection: &Connection,
    headers: &HeaderMap,
    body: Option<Inbound>,
) -> Result<(), Fault> {
    let Some(mut body) = body else {
        return Ok(());
    };
    if body.is_end_stream()
        || body.size_hint().lower() > MOST
        || !matches!(connection.reader, Reader::Frames)
        // He waits for the answer himself.
        || headers.contains_key(EXPECT)
    {
        return Ok(());
    }
    let pace = BodyPace {
        pause: PATIENCE,
        rate: 0,
    };
    body.limit(MOST, pace);
    let state = body.state();
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // One who is too slow gets his answer all the same.
    drop(Box::pin(tokio::time::timeout(PATIENCE, rest)).await);
    match state.fault() {
        Some(BodyFault::Broken) => Err(Fault::BodyBroken),
        _ => Ok(()),
    }
}
