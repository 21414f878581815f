//! Rules for header fields of answers and of requests to applications.
//!
//! In this order: `remove`, `set` (ours wins), `default` (the application's wins), `add` (both stand).

use std::collections::BTreeMap;

use http::HeaderValue;
use http::header::{self, HeaderName};

use super::check::Problems;
use crate::lines::Fields;
use crate::settings::HeaderSettings;

type Field = (HeaderName, HeaderValue);

/// What `security = true` adds where the application says nothing.
const SECURITY: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-frame-options", "SAMEORIGIN"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];
/// The proxy alone knows these.
const NEVER: [&str; 11] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
    "date",
];

/// Rules for one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    remove: Vec<HeaderName>,
    set: Vec<Field>,
    default: Vec<Field>,
    add: Vec<Field>,
}

impl Rules {
    /// True if they change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies them.
    pub fn apply(&self, fields: &mut impl Fields) {
        for name in &self.remove {
            fields.take_out(name);
        }
        for (name, value) in &self.set {
            fields.set(name, value);
        }
        for (name, value) in &self.default {
            if !fields.has(name) {
                fields.add(name, value);
            }
        }
        for (name, value) in &self.add {
            fields.add(name, value);
        }
    }

    /// `self`, then `over`; names of `over` are its alone.
    fn under(&self, over: Self) -> Self {
        let named = |name: &HeaderName| {
            over.remove.contains(name)
                || [&over.set, &over.default, &over.add]
                    .into_iter()
                    .flatten()
                    .any(|(other, _)| other == name)
        };
        let fields = |own: &[Field], more: Vec<Field>| {
            let kept = own.iter().filter(|(name, _)| !named(name)).cloned();
            kept.chain(more).collect()
        };
        let kept = self.remove.iter().filter(|name| !named(name)).cloned();
        Self {
            remove: kept.chain(over.remove.clone()).collect(),
            set: fields(&self.set, over.set.clone()),
            default: fields(&self.default, over.default.clone()),
            add: fields(&self.add, over.add.clone()),
        }
    }
}

/// What a visitor learns from `Server`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Server {
    /// Nothing.
    #[default]
    Remove,
    /// What the application says.
    Pass,
    /// This.
    Text(HeaderValue),
}

/// Both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    answer: Rules,
    server: Server,
    /// Of requests to the application.
    pub request: Rules,
}

impl HeaderRules {
    /// Changes an answer on its way out: also a cached one or an error page.
    pub fn apply(&self, fields: &mut impl Fields) {
        self.answer.apply(fields);
        match &self.server {
            Server::Remove => fields.take_out(&header::SERVER),
            Server::Pass => {}
            Server::Text(text) => fields.set(&header::SERVER, text),
        }
    }

    /// A site's.
    pub(super) fn of_site(
        key: &str,
        settings: Option<&HeaderSettings>,
        noindex: bool,
        problems: &mut Problems,
    ) -> Self {
        let mut base = Self::default();
        if noindex {
            let name = HeaderName::from_static("x-robots-tag");
            let value = HeaderValue::from_static("noindex, nofollow");
            base.answer.set.push((name, value));
        }
        base.with(key, settings, problems)
    }

    /// A route's: `self` is its site's.
    pub(super) fn with(
        &self,
        key: &str,
        settings: Option<&HeaderSettings>,
        problems: &mut Problems,
    ) -> Self {
        let Some(settings) = settings else {
            return self.clone();
        };
        let key = format!("{key}.headers");
        let mut read = Reader { key, problems };
        Self {
            answer: self.answer.under(read.answer(settings)),
            server: read.server(settings).unwrap_or_else(|| self.server.clone()),
            request: self.request.under(Rules {
                remove: read.names("request.remove", &settings.request.remove),
                set: read.fields("request.set", &settings.request.set),
                default: Vec::new(),
                add: read.fields("request.add", &settings.request.add),
            }),
        }
    }
}

struct Reader<'a> {
    key: String,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn answer(&mut self, settings: &HeaderSettings) -> Rules {
        let mut rules = Rules {
            remove: self.names("remove", &settings.remove),
            set: self.fields("set", &settings.set),
            default: self.fields("default", &settings.default),
            add: self.fields("add", &settings.add),
        };
        if settings.security == Some(true) {
            let fields = SECURITY.map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            let said = |rules: &Rules, name: &HeaderName| {
                rules.remove.contains(name)
                    || [&rules.set, &rules.default]
                        .into_iter()
                        .flatten()
                        .any(|(other, _)| other == name)
            };
            let missing: Vec<Field> = fields
                .into_iter()
                .filter(|(name, _)| !said(&rules, name))
                .collect();
            rules.default.extend(missing);
        }
        if let Some(policy) = &settings.csp
            && let Some(value) = self.value("csp", policy)
        {
            rules.default.push((header::CONTENT_SECURITY_POLICY, value));
        }
        rules
    }

    fn server(&mut self, settings: &HeaderSettings) -> Option<Server> {
        match settings.server.as_deref()? {
            "remove" => Some(Server::Remove),
            "pass" => Some(Server::Pass),
            text => self.value("server", text).map(Server::Text),
        }
    }

    fn names(&mut self, list: &str, names: &[String]) -> Vec<HeaderName> {
        let mut found = Vec::new();
        for name in names {
            found.extend(self.name(list, name));
        }
        found
    }

    fn fields(&mut self, list: &str, fields: &BTreeMap<String, String>) -> Vec<Field> {
        let mut found = Vec::new();
        for (name, value) in fields {
            if let Some(name) = self.name(list, name)
                && let Some(value) = self.value(&format!("{list}.{name}"), value)
            {
                found.push((name, value));
            }
        }
        found
    }

    fn name(&mut self, list: &str, name: &str) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        match parsed {
            Some(name) if NEVER.contains(&name.as_str()) => {
                let problem = format!("`{name}` is the proxy's own: it cannot be changed here");
                self.problems
                    .add(format_args!("{}.{list}", self.key), problem);
                None
            }
            Some(name) => Some(name),
            None => {
                let problem = format!("`{}` is no name of a header field", name.escape_debug());
                self.problems
                    .add(format_args!("{}.{list}", self.key), problem);
                None
            }
        }
    }

    fn value(&mut self, name: &str, text: &str) -> Option<HeaderValue> {
        let value = HeaderValue::from_str(text).ok();
        if value.is_none() {
            let problem = format!("`{}` cannot stand in a header", text.escape_debug());
            self.problems
                .add(format_args!("{}.{name}", self.key), problem);
        }
        value
    }
}

#[cfg(test)]
mod tests;
