//! The access log.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use sha1::{Digest, Sha1};

use crate::harness::proxy::output;
use crate::harness::{App, Proxy, Visitor, proxy, until};
use crate::tls;

fn with(log: &str, target: &str) -> String {
    format!("[proxy.access_log]\n{log}\n{}", proxy::app(target))
}

fn file(proxy: &Proxy) -> PathBuf {
    proxy.directory().join("access.log")
}

fn lines(path: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn wait_for_lines(path: &PathBuf, count: usize) -> Vec<String> {
    until("the lines are written", || lines(path).len() >= count).await;
    lines(path)
}

#[tokio::test]
async fn combined_lines_are_nginxs() {
    let app = App::start().await;
    let log = "format = 'combined'\npath = '$DIR/access.log'";
    let proxy = Proxy::start(&with(log, &app.target));
    let request = "GET /echo?page=2&token=geheim HTTP/1.1\r\nHost: a\r\n\
        Referer: https://b/?code=geheim\r\nUser-Agent: a \"b\" \\ \u{e9}\r\n\
        Authorization: Basic Z2VoZWlt\r\nCookie: id=geheim\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, request).await.status, 200);
    Visitor::ask(proxy.http, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let lines = wait_for_lines(&file(&proxy), 2).await;
    let (client, rest) = lines[0].split_once(" [").expect("a time");
    let (time, rest) = rest.split_once("] ").expect("a time");
    assert_eq!(client, "127.0.0.1 - -");
    assert!(jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).is_ok());
    assert_eq!(
        rest,
        "\"GET /echo?page=2&token=[redacted] HTTP/1.1\" 200 0 \"https://b/?code=[redacted]\" \
         \"a \\x22b\\x22 \\x5C \\xC3\\xA9\""
    );
    assert!(
        lines[1].ends_with("\"-\" \"-\"") && lines[1].contains(" 400 "),
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn json_lines_tell_more_and_no_secret() {
    let app = App::start().await;
    let log = "format = 'json'\npath = '$DIR/access.log'\nheaders = ['x-shop']";
    let proxy = Proxy::start(&with(log, &app.target));
    let request = "POST /echo?api_key=geheim HTTP/1.1\r\nHost: a:80\r\nX-Shop: 7\r\n\
        Authorization: Bearer geheim\r\nCookie: id=geheim\r\nContent-Length: 3\r\n\r\nabc";
    let answer = Visitor::ask(proxy.http, request).await;
    let lines = wait_for_lines(&file(&proxy), 1).await;
    assert!(!lines[0].contains("geheim"), "{}", lines[0]);
    let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
    for (field, value) in [
        ("client", "127.0.0.1"),
        ("scheme", "http"),
        ("host", "a:80"),
        ("method", "POST"),
        ("path", "/echo"),
        ("query", "api_key=[redacted]"),
        ("protocol", "HTTP/1.1"),
        ("upstream", "app"),
        ("request_id", answer.header("x-request-id")),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    assert_eq!(line["headers"]["x-shop"], "7");
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &3.into()));
    assert_eq!(line["complete"], true);
    assert!(line["duration_ms"].as_f64() >= line["upstream_ms"].as_f64());
}

/// HTTPS behind a password that `anna` knows, with this format; the answer's request id and the line.
async fn who_and_how(format: &str, app: &App) -> (String, String) {
    let users = tempfile::NamedTempFile::new().expect("file");
    let hash = STANDARD.encode(Sha1::digest("right"));
    std::fs::write(users.path(), format!("anna:{{SHA}}{hash}")).expect("file");
    let password = format!("password = {{ file = '{}' }}\n", users.path().display());
    let site = tls::settings_for(&app.target).replacen(
        "[[proxy.sites.routes]]",
        &format!("{password}[[proxy.sites.routes]]"),
        1,
    );
    let proxy = Proxy::start(&format!(
        "{site}[proxy.access_log]\nformat = '{format}'\npath = '$DIR/access.log'\n"
    ));
    let https = proxy.https.expect("https");
    let mut visitor = Visitor::new(tls::connect(proxy.directory(), https, "http/1.1").await);
    visitor
        .send(format!(
            "GET / HTTP/1.1\r\nHost: site.example\r\nAuthorization: Basic {}\r\n\r\n",
            STANDARD.encode("anna:right")
        ))
        .await;
    let answer = visitor.answer(false).await;
    assert_eq!(answer.status, 200);
    let line = wait_for_lines(&file(&proxy), 1).await.remove(0);
    (answer.header("x-request-id").to_owned(), line)
}

#[tokio::test]
async fn json_lines_tell_who_asked_over_which_tls_and_where_it_went() {
    let app = App::start().await;
    let (_, line) = who_and_how("json", &app).await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    for (field, value) in [
        ("user", "anna"),
        ("tls_version", "TLSv1.3"),
        ("upstream", "app"),
        ("upstream_address", app.target.as_str()),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    let cipher = line["tls_cipher"].as_str().expect("a cipher");
    assert!(
        cipher.starts_with("TLS_") && cipher.contains("_SHA"),
        "{cipher}"
    );
}

#[tokio::test]
async fn combined_plus_lines_go_on_where_nginxs_end() {
    let app = App::start().await;
    let (id, line) = who_and_how("combined-plus", &app).await;
    assert!(line.starts_with("127.0.0.1 - anna ["), "{line}");
    let (_, more) = line.split_once("\"-\" \"-\" ").expect("a combined line");
    let names: Vec<&str> = more
        .split(' ')
        .filter_map(|field| field.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let all = [
        "host",
        "id",
        "ms",
        "upstream",
        "upstream_ms",
        "cache",
        "tls",
        "cipher",
    ];
    assert_eq!(names, all, "{more}");
    for part in [
        "host=\"site.example\"".to_owned(),
        format!("id={id} "),
        format!("upstream=\"{}\"", app.target),
        "cache=- ".to_owned(),
        "tls=TLSv1.3 cipher=TLS_".to_owned(),
    ] {
        assert!(more.contains(&part), "{part}: {more}");
    }
}

#[tokio::test]
async fn paths_are_excluded_and_samples_taken_but_errors_always_logged() {
    let app = App::start().await;
    let log = "format = 'combined'\npath = '$DIR/access.log'\nsample = 0.0\nexclude = '/health'";
    let settings = with(log, &app.target).replace(
        "[[proxy.sites.routes]]",
        "[[proxy.sites.routes]]\npath = '/broken'\nrespond = { status = 503 }\n[[proxy.sites.routes]]",
    );
    let proxy = Proxy::start(&settings);
    for path in ["/", "/health", "/broken"] {
        Visitor::get(proxy.http, path).await;
    }
    let lines = wait_for_lines(&file(&proxy), 1).await;
    assert!(
        lines.len() == 1 && lines[0].contains("\"GET /broken HTTP/1.1\" 503"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn logrotate_renames_and_sigusr1_opens_anew() {
    let app = App::start().await;
    let log = "format = 'combined'\npath = '$DIR/access.log'";
    let proxy = Proxy::start(&with(log, &app.target));
    Visitor::get(proxy.http, "/one").await;
    wait_for_lines(&file(&proxy), 1).await;
    let old = proxy.directory().join("access.log.1");
    std::fs::rename(file(&proxy), &old).expect("renamed");
    proxy.signal(Signal::USR1);
    until("there is a new file", || file(&proxy).exists()).await;
    Visitor::get(proxy.http, "/two").await;
    let new = wait_for_lines(&file(&proxy), 1).await;
    assert!(new[0].contains("/two") && lines(&old).len() == 1, "{new:?}");
}

#[tokio::test]
async fn every_line_is_written_before_the_end() {
    let app = App::start().await;
    let log = "format = 'combined'\npath = '$DIR/access.log'";
    let mut proxy = Proxy::start(&with(log, &app.target));
    let mut visitor = Visitor::connect(proxy.http).await;
    for _ in 0..50 {
        assert_eq!(visitor.get_again("/").await.status, 200);
    }
    drop(visitor);
    proxy.terminate();
    assert!(proxy.ended().await.success());
    assert_eq!(lines(&file(&proxy)).len(), 50);
}

#[tokio::test]
async fn a_log_that_stalls_keeps_no_visitor_waiting() {
    let app = App::start().await;
    let directory = tempfile::tempdir().expect("directory");
    let fifo = directory.path().join("log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("a pipe");
    // Open at both ends and never read: it is full after 64 KiB.
    let _held = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("a pipe");
    let log = format!(
        "format = 'json'\npath = '{}'\nbuffer = '4KiB'",
        fifo.display()
    );
    let proxy = Proxy::start(&format!(
        "admin = '127.0.0.1:0'\n{}",
        with(&log, &app.target)
    ));
    let mut visitor = Visitor::connect(proxy.http).await;
    for _ in 0..1500 {
        assert_eq!(visitor.get_again("/").await.status, 200);
    }
    let admin = proxy.admin.expect("an admin address");
    let metrics = Visitor::get(admin, "/metrics").await.text();
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("kiuas_proxy_access_log_dropped_lines_total "))
        .expect("the metric");
    assert!(dropped.parse::<u64>().expect("a number") > 100, "{dropped}");
}

#[tokio::test]
async fn a_reload_changes_format_and_file() {
    let app = App::start().await;
    let with = |log: &str| {
        format!(
            "control = 'unix:$DIR/control.sock'\n{}",
            with(log, &app.target)
        )
    };
    let proxy = Proxy::start(&with("format = 'combined'\npath = '$DIR/access.log'"));
    Visitor::get(proxy.http, "/one").await;
    proxy.rewrite(&with("format = 'json'\npath = '$DIR/other.log'"));
    assert_eq!(proxy.ctl(&["reload"]).await.0, 0);
    Visitor::get(proxy.http, "/two").await;
    let other = proxy.directory().join("other.log");
    let json = wait_for_lines(&other, 1).await;
    assert!(json[0].contains("\"path\":\"/two\""), "{json:?}");
    assert_eq!(lines(&file(&proxy)).len(), 1);
}

#[test]
fn true_false_and_a_format_stand_for_the_section() {
    for (text, format) in [
        ("true", "event"),
        ("false", "off"),
        ("'json'", "json"),
        ("{ format = 'combined' }", "combined"),
    ] {
        let out = output(&format!("access_log = {text}\n"), &["config"]);
        let out = String::from_utf8_lossy(&out.stdout).into_owned();
        let shown = format!("proxy.access_log.format = {format}");
        let short = format!("proxy.access_log = {}", text.trim_matches('\''));
        assert!(out.contains(&shown) || out.contains(&short), "{out}");
    }
    for (text, problem) in [
        ("'apache'", "`apache` is no format"),
        ("{ sampel = 1 }", "Did you mean `sample`?"),
        ("{ sample = 2.0 }", "`proxy.access_log.sample`"),
        ("{ headers = 'Cookie' }", "is a secret and never logged"),
        (
            "{ format = 'json', path = '/nonexistent/x' }",
            "no directory",
        ),
    ] {
        let out = output(&format!("access_log = {text}\n"), &["check"]);
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(64), "{text}");
        assert!(err.contains(problem), "{text}: {err}");
    }
}
