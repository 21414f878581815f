//! Another application says who may ask.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::harness::visitor::Answer;
use crate::harness::{App, Proxy, Visitor};

/// Lets in who has the cookie `pass=yes`, sends others to log in, is out of order for `pass=broken`.
async fn authority() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(judge);
                let io = TokioIo::new(stream);
                drop(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await,
                );
            });
        }
    });
    address
}

async fn judge(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = |name: &str| {
        let value = request.headers().get(name);
        value.map_or_else(String::new, |value| {
            value.to_str().expect("text").to_owned()
        })
    };
    let answer = Response::builder();
    let cookie = text("cookie");
    let answer = if cookie.contains("pass=yes") {
        let asked = format!(
            "{} {} {}",
            text("x-forwarded-method"),
            text("x-forwarded-uri"),
            text("x-forwarded-host")
        );
        answer
            .header("x-user", "anna")
            .header("x-asked", asked)
            .header("x-private", "1")
    } else if cookie.contains("pass=broken") {
        answer.status(500)
    } else if cookie.contains("pass=slow") {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        answer
    } else {
        answer
            .status(302)
            .header("location", "https://login.example/")
            .header("set-cookie", "from=here")
    };
    assert!(!request.headers().contains_key("content-length"));
    Ok(answer.body(Full::default()).expect("answer"))
}

async fn start(app: &App) -> Proxy {
    Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         forward_auth = {{ upstream = 'auth', path = '/verify', copy_answer = ['x-user', 'x-asked'], timeout = '300ms', except = ['/free'] }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = '{}'\n[proxy.upstreams.auth]\ntargets = '{}'\n",
        app.target,
        authority().await
    ))
}

async fn ask(proxy: &Proxy, line: &str, cookie: &str) -> Answer {
    let request = format!(
        "{line} HTTP/1.1\r\nHost: a.example\r\nCookie: pass={cookie}\r\nX-User: forged\r\nContent-Length: 3\r\n\r\nabc"
    );
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn who_is_let_in_is_named_to_the_application() {
    let app = App::start().await;
    let proxy = start(&app).await;
    assert_eq!(ask(&proxy, "POST /echo?a=b", "yes").await.text(), "abc");
    let seen = app.only();
    assert_eq!(seen.header("x-user"), "anna");
    assert_eq!(seen.header("x-asked"), "POST /echo?a=b a.example");
    assert!(!seen.headers.contains_key("x-private"));
    assert_eq!(seen.headers.get_all("x-user").iter().count(), 1);
}

#[tokio::test]
async fn who_is_not_let_in_gets_the_authoritys_answer() {
    let app = App::start().await;
    let proxy = start(&app).await;
    let answer = ask(&proxy, "POST /", "no").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, "https://login.example/")
    );
    assert_eq!(answer.header("set-cookie"), "from=here");
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn an_authority_out_of_order_lets_nobody_in() {
    let app = App::start().await;
    let proxy = start(&app).await;
    assert_eq!(ask(&proxy, "POST /", "broken").await.status, 502);
    assert_eq!(ask(&proxy, "POST /", "slow").await.status, 504);
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_name_cannot_be_forged_where_nobody_is_asked() {
    let app = App::start().await;
    let proxy = start(&app).await;
    assert_eq!(ask(&proxy, "POST /free", "no").await.status, 200);
    assert!(!app.only().headers.contains_key("x-user"));
}
