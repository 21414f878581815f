//! A visitor without a browser: one keep-alive connection, a cookie jar, and forms.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::form;

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn location(&self) -> Option<String> {
        self.headers.get(LOCATION)?.to_str().ok().map(str::to_owned)
    }
}

/// One visitor of the site at `HOST:PORT`.
pub(crate) struct Visitor {
    authority: String,
    cookies: BTreeMap<String, String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Visitor {
    pub(crate) fn new(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            cookies: BTreeMap::new(),
            connection: None,
        }
    }

    /// The `Cookie` header that this visitor sends.
    pub(crate) fn cookie(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// GET, without following a redirection.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).await.expect(path)
    }

    pub(crate) async fn try_get(&mut self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, Vec::new()).await
    }

    /// Opens `page`, fills the fields into its form that posts to `action`, sends it, and returns the
    /// answer to the POST (usually a redirection).
    pub(crate) async fn submit(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let token = self.token(page).await;
        self.post(action, &token, fields).await.expect(action)
    }

    /// The CSRF token in the forms of `page`.
    pub(crate) async fn token(&mut self, page: &str) -> String {
        let answer = self.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text());
        form::value(&answer.text(), "csrf_token")
            .unwrap_or_else(|| panic!("no csrf_token in {page}: {}", answer.text()))
    }

    /// POST of a form.
    pub(crate) async fn post(
        &mut self,
        action: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut all = vec![("csrf_token", token)];
        all.extend_from_slice(fields);
        self.request(Method::POST, action, form::encode(&all).into_bytes())
            .await
    }

    /// Closes the kept connection; the next request opens a new one.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    async fn request(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(ACCEPT, "text/html");
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, self.cookie());
        }
        if !body.is_empty() {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(ORIGIN, format!("http://{}", self.authority));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .expect("well-formed request");
        let mut connection = self.connect().await?;
        let answer = connection.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some(connection);
        self.keep_cookies(&parts.headers);
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// The kept connection if the server has not closed it, else a new one.
    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let stream = TcpStream::connect(&self.authority)
            .await
            .context("connecting to the proxy")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the connection, and the test with it"
        )]
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let text = header.to_str().expect("cookie in ASCII");
            let pair = text.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            if text.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
