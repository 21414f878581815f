//! `ctl why`: what the cache would do with a request, and for what reason.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};
use crate::cache::{Explained, Key, KeyRef};
use crate::plan::{Lookup, path};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl why https://example.org/page
  kiuas-proxy ctl why https://example.org/page -H 'Accept-Language: de' --json")]
pub struct Why {
    /// The URL as visitors write it
    pub url: String,
    /// A field of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    #[serde(default)]
    pub headers: Vec<String>,
}

/// What the cache would do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The key.
    pub key: String,
    /// Why the route does not cache; none if it does.
    pub route: Option<String>,
    /// What is stored, and what of it the request would get.
    pub stored: Explained,
}

impl Why {
    fn fields(&self) -> Result<HeaderMap, VerbError> {
        let mut headers = HeaderMap::new();
        for line in &self.headers {
            let parsed = line.split_once(':').and_then(|(name, value)| {
                let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
                Some((name, HeaderValue::from_str(value.trim()).ok()?))
            });
            let Some((name, value)) = parsed else {
                return Err(VerbError::usage(format!(
                    "`{line}` is no header field: write `Name: value`"
                )));
            };
            headers.append(name, value);
        }
        Ok(headers)
    }
}

/// Why the route of `key` does not cache.
fn route(context: &Context, key: &KeyRef<'_>) -> Option<String> {
    let plan = context.shared.plans.get();
    let Some(site) = plan.sites.find(key.host()) else {
        return Some(format!("no site has the host `{}`", key.host()));
    };
    let path = path::normal(key.path());
    match site.routes.find(&Method::GET, &path, &[]) {
        Lookup::Found(found) if found.route.cache.is_some() => None,
        Lookup::Found(_) => Some("its route has no `cache`".to_owned()),
        _ => Some("no route of the site takes it".to_owned()),
    }
}

impl Run for Why {
    const NAME: &'static str = "why";
    type Answer = Answer;

    async fn run(self, context: &Context) -> Result<Answer, VerbError> {
        let headers = self.fields()?;
        let key = Key::parse(&self.url).ok_or_else(|| {
            let url = &self.url;
            VerbError::usage(format!("`{url}` is no URL: write `https://HOST/PATH`"))
        })?;
        let of = KeyRef::parse(key.as_str())
            .ok_or_else(|| VerbError::failed("the URL cannot be read twice"))?;
        let stored = context.shared.cache.explain(&of, &headers).await;
        Ok(Answer {
            route: route(context, &of),
            key: key.as_str().to_owned(),
            stored,
        })
    }

    fn human(answer: &Answer) -> String {
        let mut text = format!("{}\n", answer.key);
        if let Some(route) = &answer.route {
            text.push_str(&format!("  not cached: {route}\n"));
        }
        text + &answer.stored.to_string()
    }
}
