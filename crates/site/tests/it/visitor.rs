//! A browser without JavaScript: keeps its cookie, sends forms, follows nothing by itself.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        let location = self.headers.get(LOCATION).expect("location");
        location.to_str().expect("text")
    }

    /// The value of the first `name="…"` after `before`.
    pub(crate) fn after(&self, before: &str, name: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(before)?;
        let (_, rest) = rest.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    pub(crate) fn csrf_token(&self) -> String {
        let token = self.after("name=\"csrf_token\"", "value");
        token.expect("a form with a token").to_owned()
    }

    /// The ids of the choices, in order.
    pub(crate) fn choices(&self) -> Vec<String> {
        let items = self.text.split("data-choice=\"").skip(1);
        items
            .map(|rest| rest.split('"').next().expect("id").to_owned())
            .collect()
    }

    /// The counts, in the order of the choices.
    pub(crate) fn counts(&self) -> Vec<i64> {
        let items = self.text.split("class=\"count\">").skip(1);
        items
            .map(|rest| {
                rest.split('<')
                    .next()
                    .expect("count")
                    .parse()
                    .expect("number")
            })
            .collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        let (page, _) = self
            .text
            .split_once("<template")
            .unwrap_or((&self.text, ""));
        page.contains("id=\"closed\"")
    }
}

#[derive(Clone)]
pub(crate) struct Visitor {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookie: None,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, None).await
    }

    /// Posts `fields` as they are.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send("POST", path, Some(encode(fields))).await
    }

    /// Opens `page`, takes the token from its form, and posts `fields` with it to `action`.
    pub(crate) async fn submit(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let token = self.get(page).await.csrf_token();
        let mut fields = fields.to_vec();
        fields.push(("csrf_token", &token));
        self.post(action, &fields).await
    }

    /// Creates a poll and returns its path.
    pub(crate) async fn create(
        &mut self,
        question: &str,
        choices: &str,
        closes_at: &str,
    ) -> String {
        let fields = [
            ("question", question),
            ("choices", choices),
            ("closes_at", closes_at),
        ];
        let page = self.submit("/polls/new", "/polls/new", &fields).await;
        assert_eq!(page.status, 303, "{}", page.text);
        page.location().to_owned()
    }

    /// Votes for the choice at `index`.
    pub(crate) async fn vote(&mut self, poll: &str, index: usize) -> Page {
        let choice = self.get(poll).await.choices()[index].clone();
        self.submit(poll, &format!("{poll}/vote"), &[("choice", &choice)])
            .await
    }

    /// Votes although the page of the poll has no form for it any more.
    pub(crate) async fn vote_anyway(&mut self, poll: &str, index: usize) -> Page {
        let choice = self.get(poll).await.choices()[index].clone();
        self.submit("/sign-in", &format!("{poll}/vote"), &[("choice", &choice)])
            .await
    }

    async fn send(&mut self, method: &str, path: &str, form: Option<String>) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("accept", "text/html");
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::from(form.unwrap_or_default());
        let request = request.body(body).expect("request");
        let response = self.client.request(request).await.expect("answer");
        let (head, body) = response.into_parts();
        if let Some(cookie) = head.headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        let bytes = body.collect().await.expect("body").to_bytes();
        Page {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        }
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}
