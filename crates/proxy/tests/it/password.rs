//! Sites and routes behind an htpasswd file.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::visitor::Answer;
use crate::harness::{App, PATIENCE, Proxy, Visitor};

/// A line as Apache's own program makes it.
fn line(user: &str, password: &str, flags: &[&str]) -> String {
    let output = Command::new("htpasswd")
        .arg("-nb")
        .args(flags)
        .args([user, password])
        .output()
        .expect("htpasswd");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn bcrypt(user: &str, password: &str) -> String {
    line(user, password, &["-B", "-C", "4"])
}

fn file(directory: &Path, lines: &[String]) -> String {
    let path = directory.join("users.htpasswd");
    std::fs::write(&path, lines.join("\n")).expect("file");
    path.display().to_string()
}

fn settings(app: &App, file: &str) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         password = {{ file = '{file}', realm = 'Staging', except = ['/healthz', '/.well-known/'] }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/open'\nupstream = 'app'\npassword = false\n\
         [[proxy.sites.routes]]\nprefix = '/passed'\nupstream = 'app'\npassword = {{ file = '{file}', pass = true }}\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    )
}

async fn ask(proxy: &Proxy, path: &str, credentials: &str) -> Answer {
    let authorization = match credentials {
        "" => String::new(),
        text => format!("Authorization: Basic {}\r\n", STANDARD.encode(text)),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn nothing_is_shown_without_the_password() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let users = file(directory.path(), &[bcrypt("anna", "right")]);
    let proxy = Proxy::start(&settings(&app, &users));
    for credentials in ["", "anna:wrong", "nobody:right", "anna:", "anna:right "] {
        let answer = ask(&proxy, "/", credentials).await;
        assert_eq!(answer.status, 401, "{credentials}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Basic realm=\"Staging\", charset=\"UTF-8\""
        );
    }
    for path in ["/healthzx", "//x", "/%2e", "/.well-known"] {
        assert_ne!(ask(&proxy, path, "").await.status, 200, "{path}");
    }
    assert!(app.take().is_empty());
    assert_eq!(ask(&proxy, "/", "anna:right").await.status, 200);
    assert_eq!(app.take().len(), 1);
}

#[tokio::test]
async fn the_application_never_sees_our_password_unless_told() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let users = file(directory.path(), &[bcrypt("anna", "right")]);
    let proxy = Proxy::start(&settings(&app, &users));
    for (path, seen) in [
        ("/", false),
        ("/.well-known/acme", false),
        ("/passed", true),
        ("/open", true),
    ] {
        assert_eq!(ask(&proxy, path, "anna:right").await.status, 200, "{path}");
        assert_eq!(
            app.only().headers.contains_key("authorization"),
            seen,
            "{path}"
        );
    }
}

#[tokio::test]
async fn exceptions_and_routes_without_password_are_open() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let users = file(directory.path(), &[bcrypt("anna", "right")]);
    let proxy = Proxy::start(&settings(&app, &users));
    for path in ["/healthz", "/.well-known/acme", "/open/x"] {
        assert_eq!(ask(&proxy, path, "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_kind_of_line_lets_its_user_in() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let kinds = [
        ("bcrypt", vec!["-B"]),
        ("apr1", vec!["-m"]),
        ("sha", vec!["-s"]),
        ("sha256", vec!["-2"]),
        ("sha512", vec!["-5"]),
    ];
    let lines: Vec<String> = kinds
        .iter()
        .map(|(user, flags)| line(user, "pass word", flags))
        .collect();
    let users = file(directory.path(), &lines);
    let proxy = Proxy::start(&settings(&app, &users));
    for (user, _) in kinds {
        let answer = ask(&proxy, "/", &format!("{user}:pass word")).await;
        assert_eq!(answer.status, 200, "{user}");
    }
}

#[tokio::test]
async fn a_changed_file_counts_without_a_restart_and_a_broken_one_does_not() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let users = file(directory.path(), &[bcrypt("anna", "old")]);
    let proxy = Proxy::start(&settings(&app, &users));
    assert_eq!(ask(&proxy, "/", "anna:old").await.status, 200);
    file(directory.path(), &[bcrypt("anna", "new")]);
    let changed = async {
        // The old password was right a moment ago, and is not remembered.
        while ask(&proxy, "/", "anna:old").await.status == 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed)
        .await
        .expect("the file is read again");
    assert_eq!(ask(&proxy, "/", "anna:new").await.status, 200);
    file(directory.path(), &["anna:plaintext".to_owned()]);
    crate::harness::until("the broken file is noticed", || {
        proxy.log().contains("the old ones stay in force")
    })
    .await;
    assert!(!proxy.log().contains("plaintext:"));
    assert_eq!(ask(&proxy, "/", "anna:new").await.status, 200);
}

#[tokio::test]
async fn who_guesses_is_stopped_and_who_is_known_goes_on() {
    let (app, directory) = (App::start().await, tempfile::tempdir().expect("directory"));
    let users = file(directory.path(), &[bcrypt("anna", "right")]);
    let proxy = Proxy::start(&settings(&app, &users));
    assert_eq!(ask(&proxy, "/", "anna:right").await.status, 200);
    let guesses = (0..30).map(|number| {
        let proxy = &proxy;
        async move { ask(proxy, "/", &format!("anna:guess{number}")).await }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let count = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert!(
        count(401) <= 12 && count(429) >= 18,
        "{} and {}",
        count(401),
        count(429)
    );
    let stopped = answers
        .iter()
        .find(|answer| answer.status == 429)
        .expect("one");
    assert!(
        stopped
            .header("retry-after")
            .parse::<u32>()
            .expect("seconds")
            >= 1
    );
    assert_eq!(ask(&proxy, "/", "anna:right").await.status, 200);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_by_line() {
    let directory = tempfile::tempdir().expect("directory");
    let users = file(
        directory.path(),
        &[bcrypt("anna", "x"), "bob:hunter2".to_owned()],
    );
    let settings = format!(
        "[[proxy.sites]]\nhosts = '*'\npassword = {{ file = '{users}' }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'x' }}\n"
    );
    let output = crate::harness::proxy::output(&settings, &["check"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64));
    assert!(text.contains("line 2: user `bob`: plain text"), "{text}");
    assert!(!text.contains("hunter2"));
}
