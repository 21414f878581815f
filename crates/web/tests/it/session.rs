//! Sessions and flash messages, in a real Redis.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use kiuas_common::Period;
use kiuas_common::redis::Redis;
use kiuas_web::flash::{self, Level};
use kiuas_web::{WebError, WebSettings, session};
use redis::AsyncCommands;

use crate::harness::{Answer, Client, settings, start, start_with};

fn routes(config: &mut ServiceConfig) {
    config
        .route("/visit", web::get().to(visit))
        .route("/sign-in", web::get().to(sign_in))
        .route("/sign-out", web::get().to(sign_out))
        .route("/me", web::get().to(me))
        .route("/huge", web::get().to(huge))
        .route("/flash", web::get().to(flash))
        .route("/page", web::get().to(page));
}

async fn visit(session: Session) -> Result<HttpResponse, WebError> {
    session.insert("visited", true)?;
    Ok(HttpResponse::Ok().finish())
}

async fn sign_in(session: Session) -> Result<HttpResponse, WebError> {
    session::sign_in(&session, "ada")?;
    Ok(HttpResponse::Ok().finish())
}

async fn sign_out(session: Session) -> HttpResponse {
    session::sign_out(&session);
    HttpResponse::Ok().finish()
}

async fn me(session: Session) -> Result<String, WebError> {
    Ok(session::user(&session)?.unwrap_or_else(|| "nobody".to_owned()))
}

async fn huge(session: Session) -> Result<HttpResponse, WebError> {
    session.insert("text", "x".repeat(20_000))?;
    Ok(HttpResponse::Ok().finish())
}

async fn flash(session: Session) -> Result<HttpResponse, WebError> {
    for number in 0..10 {
        flash::push(&session, Level::Success, number.to_string())?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn page(session: Session) -> Result<String, WebError> {
    let messages = flash::take(&session)?;
    Ok(messages
        .iter()
        .map(|message| message.text.as_str())
        .collect())
}

async fn get(client: &mut Client, path: &str, cookie: &str) -> Answer {
    client
        .request("GET", path, &[("Cookie", cookie)], "")
        .await
        .expect("answer")
}

#[tokio::test]
async fn a_session_lasts_from_sign_in_to_sign_out() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let answer = client.get("/sign-in").await;
    let cookie = answer.cookie().expect("cookie").to_owned();
    let attributes = answer.header("set-cookie").expect("cookie");
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"));
    assert!(!attributes.contains("Secure"), "{attributes}");
    assert_eq!(get(&mut client, "/me", &cookie).await.body, "ada");
    get(&mut client, "/sign-out", &cookie).await;
    assert_eq!(get(&mut client, "/me", &cookie).await.body, "nobody");
}

#[tokio::test]
async fn cookies_are_secure_when_the_visitor_came_by_https() {
    let server = start(routes).await;
    let answer = server
        .connect()
        .await
        .request("GET", "/visit", &[("X-Forwarded-Proto", "https")], "")
        .await
        .expect("answer");
    let attributes = answer.header("set-cookie").expect("cookie");
    assert!(attributes.contains("Secure"), "{attributes}");
}

#[tokio::test]
async fn signing_in_changes_the_key_and_voids_the_old_one() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let before = client.get("/visit").await;
    let before = before.cookie().expect("cookie").to_owned();
    let answer = get(&mut client, "/sign-in", &before).await;
    let after = answer.cookie().expect("cookie").to_owned();
    assert_ne!(before, after);
    assert_eq!(get(&mut client, "/me", &after).await.body, "ada");
    assert_eq!(get(&mut client, "/me", &before).await.body, "nobody");
}

#[tokio::test]
async fn a_forged_cookie_is_nobodys_session() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let answer = client.get("/sign-in").await;
    let cookie = answer.cookie().expect("cookie");
    let forged = format!("{}x", cookie);
    assert_eq!(get(&mut client, "/me", &forged).await.body, "nobody");
}

#[tokio::test]
async fn a_session_expires() {
    let settings = WebSettings {
        session_lifetime: Period::seconds(1),
        ..settings()
    };
    let server = start_with(settings, routes).await;
    let mut client = server.connect().await;
    let answer = client.get("/sign-in").await;
    let attributes = answer.header("set-cookie").expect("cookie");
    assert!(attributes.contains("Max-Age=1"), "{attributes}");
    let cookie = answer.cookie().expect("cookie").to_owned();
    let redis = Redis::cache(&server.redis.settings()).expect("Redis");
    let mut connection = redis.get().await.expect("Redis");
    crate::harness::soon(async {
        loop {
            let keys: Vec<String> = connection.keys("session:*").await.expect("keys");
            if keys.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(get(&mut client, "/me", &cookie).await.body, "nobody");
}

#[tokio::test]
async fn a_session_that_grows_too_large_is_refused() {
    let server = start(routes).await;
    let answer = server.get("/huge").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.cookie(), None);
}

#[tokio::test]
async fn flash_messages_are_shown_once_and_the_oldest_go_first() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    let answer = client.get("/flash").await;
    let cookie = answer.cookie().expect("cookie").to_owned();
    assert_eq!(get(&mut client, "/page", &cookie).await.body, "23456789");
    assert_eq!(get(&mut client, "/page", &cookie).await.body, "");
}
