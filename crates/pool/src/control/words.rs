//! Answers for people.

use serde::Deserialize;
use serde_json::Value;

use super::Request;
use crate::chronicle::{Event, unix_time};
use crate::dump::Dump;
use crate::overview::Overview;
use crate::overview::text::age;

/// The answer to `request` as text.
///
/// # Errors
/// It has another form than this version of the program knows.
pub fn in_words(request: &Request, answer: &Value) -> Result<String, serde_json::Error> {
    Ok(match request {
        Request::Status {} => Overview::deserialize(answer)?.to_string(),
        Request::Events {} => events(&Vec::deserialize(answer)?),
        Request::Dump {} => Dump::deserialize(answer)?.to_string(),
        _ => match answer {
            Value::String(sentence) => format!("{sentence}\n"),
            document => format!("{document:#}\n"),
        },
    })
}

/// One a line, the newest last.
fn events(events: &[Event]) -> String {
    if events.is_empty() {
        return "nothing has happened since the pool was started\n".to_owned();
    }
    let now = unix_time();
    let line = |event: &Event| {
        let ago = age(now.saturating_sub(event.at).saturating_mul(1000));
        format!("{ago:>8} ago  {}\n", event.text)
    };
    events.iter().map(line).collect()
}
