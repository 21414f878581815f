//! `headers` of a site or a route.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fields of the answers, and of the requests to the application. A route's rules are added to its
/// site's; where both name a field, the route's count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderSettings {
    /// The usual protective fields, each only where the application sent none.
    pub security: Option<bool>,
    /// `Content-Security-Policy`, where the application sent none.
    pub csp: Option<String>,
    /// `Server` of the answers: `remove` (default), `pass` (the application's) or a text.
    pub server: Option<String>,
    /// Fields that replace the application's.
    pub set: BTreeMap<String, String>,
    /// Fields for answers in which the application sent none of that name.
    pub default: BTreeMap<String, String>,
    /// Fields beside the application's.
    pub add: BTreeMap<String, String>,
    /// Names of fields that do not reach the visitor.
    pub remove: Vec<String>,
    /// The same for the request to the application.
    pub request: RequestHeaderSettings,
}

/// Fields of the request to the application.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestHeaderSettings {
    /// Fields that replace the visitor's.
    pub set: BTreeMap<String, String>,
    /// Fields beside the visitor's.
    pub add: BTreeMap<String, String>,
    /// Names of fields that do not reach the application.
    pub remove: Vec<String>,
}
