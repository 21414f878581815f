//! The response cache, rule by rule (RFC 9111, 5861, 9211).

mod disk;
mod fills;
mod origin;
mod purge;
mod reuse;
mod stale;
mod validation;

use std::net::SocketAddr;

use origin::{Origin, Reply};

use crate::harness::visitor::Answer;
use crate::harness::{Proxy, Visitor};

/// A proxy that caches what `origin` answers, with lines for the route's cache and for `[proxy.cache]`.
fn proxy_with(origin: &Origin, rules: &str, cache: &str) -> Proxy {
    Proxy::start(&format!(
        "access_log = false\n{cache}\n[[proxy.sites]]\nhosts = '*'\n[[proxy.sites.routes]]\nprefix = '/'\n\
         upstream = 'app'\n[proxy.sites.routes.cache]\n{rules}\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        origin.target
    ))
}

/// A proxy with `cache = true`.
fn proxy(origin: &Origin) -> Proxy {
    proxy_with(origin, "", "")
}

/// GET with these fields.
async fn get(to: SocketAddr, path: &str, fields: &str) -> Answer {
    send(to, "GET", path, fields).await
}

/// One request with these fields.
async fn send(to: SocketAddr, method: &str, path: &str, fields: &str) -> Answer {
    Visitor::ask(
        to,
        &format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
    )
    .await
}

/// What `Cache-Status` says of the first and of the second of two requests.
async fn twice(proxy: &Proxy, first: &str, second: &str) -> (Answer, Answer) {
    let first = get(proxy.http, "/x", first).await;
    let second = get(proxy.http, "/x", second).await;
    (first, second)
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("kiuas; hit")
}

/// An HTTP date that lies so many seconds from now.
fn date(seconds: i64) -> String {
    let now = std::time::SystemTime::now();
    let distance = std::time::Duration::from_secs(seconds.unsigned_abs());
    httpdate::fmt_http_date(if seconds < 0 {
        now - distance
    } else {
        now + distance
    })
}
