//! Requests that another site makes a visitor's browser send are refused.

use actix_session::Session;
use actix_web::web::{self, Data, Form, ServiceConfig};
use kiuas_web::WebError;
use kiuas_web::csrf::{Csrf, Exempt};
use serde::Deserialize;

use crate::harness::{Running, start};

fn routes(config: &mut ServiceConfig) {
    config
        .app_data(Exempt {
            prefixes: vec!["/hook".to_owned()],
        })
        .route("/form", web::get().to(form))
        .route("/form", web::post().to(submit))
        .route("/json", web::put().to(async || "changed"))
        .route("/hook", web::post().to(async || "hooked"));
}

#[derive(Deserialize)]
struct Fields {
    name: String,
}

async fn form(csrf: Data<Csrf>, session: Session) -> Result<String, WebError> {
    Ok(csrf.token(&session)?)
}

async fn submit(form: Form<Fields>) -> String {
    format!("hello {}", form.name)
}

struct Page {
    cookie: String,
    token: String,
}

async fn page(server: &Running) -> Page {
    let answer = server.get("/form").await;
    Page {
        cookie: answer.cookie().expect("cookie").to_owned(),
        token: answer.body,
    }
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

async fn post(server: &Running, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let answer = server
        .connect()
        .await
        .request("POST", "/form", headers, body)
        .await
        .expect("answer");
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_form_with_its_token_is_accepted_and_its_fields_arrive() {
    let server = start(routes).await;
    let page = page(&server).await;
    let body = format!("name=ada&csrf_token={}", page.token);
    let same = ("Origin", "http://site.test");
    let answer = post(&server, &[FORM, ("Cookie", &page.cookie), same], &body).await;
    assert_eq!(answer, (200, "hello ada".to_owned()));
}

#[tokio::test]
async fn a_form_without_its_token_or_session_is_refused() {
    let server = start(routes).await;
    let (mine, other) = (page(&server).await, page(&server).await);
    let with_token = format!("name=ada&csrf_token={}", mine.token);
    for (cookie, body) in [
        (&mine.cookie, "name=ada".to_owned()),
        (&mine.cookie, "name=ada&csrf_token=".to_owned()),
        (&other.cookie, with_token.clone()),
        (&String::new(), with_token),
    ] {
        let (status, _) = post(&server, &[FORM, ("Cookie", cookie)], &body).await;
        assert_eq!(status, 403, "{cookie} {body}");
    }
}

#[tokio::test]
async fn another_sites_page_is_refused_even_with_a_token() {
    let server = start(routes).await;
    let page = page(&server).await;
    let body = format!("name=ada&csrf_token={}", page.token);
    for foreign in [
        ("Origin", "https://evil.test"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let headers = [FORM, ("Cookie", page.cookie.as_str()), foreign];
        let (status, _) = post(&server, &headers, &body).await;
        assert_eq!(status, 403, "{foreign:?}");
    }
}

#[tokio::test]
async fn a_script_sends_the_token_in_a_header() {
    let server = start(routes).await;
    let page = page(&server).await;
    let mut client = server.connect().await;
    let cookie = ("Cookie", page.cookie.as_str());
    let good = [cookie, ("X-CSRF-Token", page.token.as_str())];
    let answer = client.request("PUT", "/json", &good, "{}").await;
    assert_eq!(answer.expect("answer").body, "changed");
    let answer = client.request("PUT", "/json", &[cookie], "{}").await;
    assert_eq!(answer.expect("answer").status, 403);
}

#[tokio::test]
async fn an_exempt_path_takes_requests_of_other_programs() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let answer = client.request("POST", "/hook", &[], "{}").await;
    assert_eq!(answer.expect("answer").body, "hooked");
}
