//! Answers for people.

use serde::Deserialize;
use serde_json::Value;

use super::Request;
use crate::dump::Dump;
use crate::overview::Overview;

/// The answer to `request` as text.
///
/// # Errors
/// It has another form than this version of the program knows.
pub fn in_words(request: &Request, answer: &Value) -> Result<String, serde_json::Error> {
    Ok(match request {
        Request::Status {} => Overview::deserialize(answer)?.to_string(),
        Request::Dump {} => Dump::deserialize(answer)?.to_string(),
        _ => match answer {
            Value::String(sentence) => format!("{sentence}\n"),
            document => format!("{document:#}\n"),
        },
    })
}
