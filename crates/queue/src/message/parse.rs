//! From bytes to an envelope and its body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body::{Body, Embed, Signature};
use super::envelope::{Envelope, Headers};
use super::{LONGEST_MESSAGE, LONGEST_NAME, MessageError, lenient};

const JSON: &str = "application/json";

/// Protocol v1: everything in one dictionary.
#[derive(Deserialize)]
struct BodyV1 {
    task: String,
    id: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    taskset: Option<String>,
    #[serde(default)]
    retries: Option<u32>,
    #[serde(default)]
    eta: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    timelimit: Option<[Option<f64>; 2]>,
    #[serde(default)]
    callbacks: Option<Vec<Signature>>,
    #[serde(default)]
    errbacks: Option<Vec<Signature>>,
    #[serde(default)]
    chord: Option<Value>,
}

/// An envelope whose headers may name no task.
#[derive(Deserialize)]
struct EnvelopeV1 {
    body: String,
    #[serde(rename = "content-encoding", default)]
    content_encoding: Option<String>,
    #[serde(rename = "content-type", default)]
    content_type: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    properties: super::Properties,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Envelope {
    /// Reads what a producer wrote, v2 or v1; a v1 message becomes its v2 form.
    ///
    /// # Errors
    /// It is too long, no envelope, or names no task.
    pub fn parse(raw: &[u8]) -> Result<Self, MessageError> {
        if raw.len() > LONGEST_MESSAGE {
            return Err(MessageError::TooLong { length: raw.len() });
        }
        let loose: EnvelopeV1 = json(raw).map_err(MessageError::Envelope)?;
        let envelope = if loose.headers.contains_key("task") {
            loose.into_v2()?
        } else {
            loose.upgrade()?
        };
        name("task", &envelope.headers.task)?;
        name("id", &envelope.headers.id)?;
        Ok(envelope)
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// [`MessageError::ContentDisallowed`] for anything but plain JSON in UTF-8; the others if it is
    /// no task's arguments.
    pub fn body(&self) -> Result<Body, MessageError> {
        if let Some(compression) = &self.headers.compression {
            return Err(MessageError::ContentDisallowed(compression.clone()));
        }
        let bytes = decode(
            &self.body,
            self.content_type.as_deref(),
            self.content_encoding.as_deref(),
            self.properties.body_encoding.as_deref(),
        )?;
        json(&bytes).map_err(MessageError::Body)
    }
}

impl EnvelopeV1 {
    fn into_v2(self) -> Result<Envelope, MessageError> {
        let headers: Headers =
            serde_json::from_value(Value::Object(self.headers)).map_err(MessageError::Envelope)?;
        Ok(Envelope {
            body: self.body,
            content_encoding: self.content_encoding,
            content_type: self.content_type,
            headers,
            properties: self.properties,
            rest: self.rest,
        })
    }

    fn upgrade(self) -> Result<Envelope, MessageError> {
        let bytes = decode(
            &self.body,
            self.content_type.as_deref(),
            self.content_encoding.as_deref(),
            self.properties.body_encoding.as_deref(),
        )
        .map_err(|_| MessageError::NoTask)?;
        let v1: BodyV1 = json(&bytes).map_err(|_| MessageError::NoTask)?;
        let headers = Headers {
            lang: Some("py".to_owned()),
            task: v1.task,
            root_id: Some(v1.id.clone()),
            id: v1.id,
            eta: v1.eta,
            expires: v1.expires,
            retries: v1.retries,
            timelimit: v1.timelimit,
            group: v1.group.or(v1.taskset),
            rest: self.headers,
            ..Headers::default()
        };
        let embed = Embed {
            callbacks: v1.callbacks,
            errbacks: v1.errbacks,
            chord: v1.chord,
            ..Embed::default()
        };
        let body = encode(&Body(v1.args, v1.kwargs, embed))?;
        let mut properties = self.properties;
        properties.body_encoding = Some("base64".to_owned());
        Ok(Envelope {
            body,
            content_encoding: Some("utf-8".to_owned()),
            content_type: Some(JSON.to_owned()),
            headers,
            properties,
            rest: self.rest,
        })
    }
}

/// The base64 text of a body.
pub(super) fn encode(body: &Body) -> Result<String, MessageError> {
    let bytes = serde_json::to_vec(body).map_err(MessageError::Write)?;
    Ok(STANDARD.encode(bytes))
}

fn name(field: &'static str, value: &str) -> Result<(), MessageError> {
    if value.is_empty() || value.len() > LONGEST_NAME {
        return Err(MessageError::Name { field });
    }
    Ok(())
}

fn decode(
    body: &str,
    content_type: Option<&str>,
    encoding: Option<&str>,
    wrapping: Option<&str>,
) -> Result<Vec<u8>, MessageError> {
    let refuse = |what: Option<&str>| {
        Err(MessageError::ContentDisallowed(
            what.unwrap_or("(none)").chars().take(100).collect(),
        ))
    };
    if content_type != Some(JSON) {
        return refuse(content_type);
    }
    if !encoding.is_none_or(|name| name.eq_ignore_ascii_case("utf-8") || name == "us-ascii") {
        return refuse(encoding);
    }
    match wrapping {
        Some("base64") => STANDARD.decode(body).map_err(MessageError::Base64),
        None => Ok(body.as_bytes().to_vec()),
        Some(_) => refuse(wrapping),
    }
}

/// Strict JSON first; what only Python's reader takes (`NaN`, lone surrogates) is made strict then.
fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| match lenient::repair(bytes) {
        Some(repaired) => serde_json::from_slice(&repaired),
        None => Err(error),
    })
}
