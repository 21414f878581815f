//! Forgetting on request, and explaining (`ctl purge`, `ctl why`).

use serde_json::json;

use super::{Origin, Reply, get, is_hit, proxy_with};
use crate::harness::Proxy;

const CONTROL: &str = "control = 'unix:$DIR/control.sock'";

async fn origin() -> Origin {
    Origin::start(|asked| {
        Reply::cached(asked.number.to_string(), "max-age=60, stale-if-error=60")
            .with(
                "surrogate-key",
                format!("all {}", asked.target.trim_start_matches('/')),
            )
            .with("vary", "foo")
            .with("etag", "\"a\"")
    })
    .await
}

async fn filled() -> (Origin, Proxy) {
    let origin = origin().await;
    let proxy = proxy_with(&origin, "", CONTROL);
    for path in ["/a", "/b", "/dir/a", "/dir/b"] {
        get(proxy.http, path, "").await;
    }
    (origin, proxy)
}

async fn purge(proxy: &Proxy, arguments: &[&str]) -> serde_json::Value {
    proxy.ctl_json(&[&["purge"], arguments].concat()).await
}

async fn kept(proxy: &Proxy) -> Vec<&'static str> {
    let only = "Cache-Control: only-if-cached\r\n";
    let mut kept = Vec::new();
    for path in ["/a", "/b", "/dir/a", "/dir/b"] {
        if get(proxy.http, path, only).await.status == 200 {
            kept.push(path);
        }
    }
    kept
}

#[tokio::test]
async fn a_url_a_prefix_a_tag_or_all_are_forgotten() {
    for (arguments, left, count) in [
        (
            vec!["--url", "http://A/a"],
            vec!["/b", "/dir/a", "/dir/b"],
            1,
        ),
        (vec!["--prefix", "http://a/dir/"], vec!["/a", "/b"], 2),
        (vec!["--tag", "dir/b"], vec!["/a", "/b", "/dir/a"], 1),
        (vec!["--tag", "all"], vec![], 4),
        (vec!["--all"], vec![], 4),
        (
            vec!["--url", "http://b/a"],
            vec!["/a", "/b", "/dir/a", "/dir/b"],
            0,
        ),
    ] {
        let (_origin, proxy) = filled().await;
        let answer = purge(&proxy, &arguments).await;
        assert_eq!(answer["memory"], count, "{arguments:?}");
        assert_eq!(kept(&proxy).await, left, "{arguments:?}");
    }
}

#[tokio::test]
async fn what_is_purged_softly_is_validated_before_its_next_use() {
    let (origin, proxy) = filled().await;
    let answer = purge(&proxy, &["--tag", "a", "--soft"]).await;
    assert_eq!(answer, json!({"memory": 1, "disk": 0, "soft": true}));
    let next = get(proxy.http, "/a", "").await;
    assert!(!is_hit(&next));
    assert_eq!(origin.last().header("if-none-match"), "\"a\"");
    assert!(is_hit(&get(proxy.http, "/b", "").await));
}

#[tokio::test]
async fn nonsense_is_refused_with_what_to_write() {
    let (_origin, proxy) = filled().await;
    for arguments in [
        vec!["purge", "--url", "a/b"],
        vec!["purge", "--prefix", "/a"],
        vec!["purge"],
        vec!["purge", "--all", "--tag", "a"],
        vec!["why", "nothing"],
        vec!["why", "http://a/", "-H", "no field"],
    ] {
        let (code, _, err) = proxy.ctl(&arguments).await;
        assert_eq!(code, 64, "{arguments:?}: {err}");
    }
    assert_eq!(kept(&proxy).await.len(), 4);
}

#[tokio::test]
async fn why_tells_what_is_stored_and_what_a_request_would_get() {
    let (_origin, proxy) = filled().await;
    get(proxy.http, "/a", "Foo: 1\r\n").await;
    let why = proxy.ctl_json(&["why", "http://a/a", "-H", "Foo: 1"]).await;
    assert_eq!(why["stored"]["outcome"], "hit");
    let answers = why["stored"]["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 2);
    let chosen = answers
        .iter()
        .find(|one| one["chosen"] == true)
        .expect("one");
    assert_eq!(
        (&chosen["state"], &chosen["rule"]),
        (&json!("fresh"), &json!("max-age"))
    );
    assert_eq!(chosen["vary"], json!([["foo", "1"]]));
    assert_eq!(chosen["tags"], json!(["all", "a"]));
    for (url, fields, outcome) in [
        ("http://a/a", "Foo: 2", "vary-miss"),
        ("http://a/other", "Foo: 1", "miss"),
    ] {
        let why = proxy.ctl_json(&["why", url, "-H", fields]).await;
        assert_eq!(why["stored"]["outcome"], outcome, "{url}");
    }
    let (code, out, _) = proxy.ctl(&["why", "http://a/a"]).await;
    assert!(code == 0 && out.contains("* 200 fresh in memory"), "{out}");
}
