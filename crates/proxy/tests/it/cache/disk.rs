//! The disk tier, through restarts and kills.

use std::path::Path;

use tempfile::TempDir;

use super::{Origin, Reply, get, is_hit, proxy_with};
use crate::harness::{Proxy, until};

fn on_disk(origin: &Origin, directory: &Path, disk: &str) -> Proxy {
    let cache = format!(
        "cache = {{ memory = '1MiB', disk = '{disk}', directory = '{}' }}",
        directory.display()
    );
    proxy_with(origin, "", &cache)
}

fn files(directory: &Path) -> usize {
    let Ok(directories) = std::fs::read_dir(directory) else {
        return 0;
    };
    directories
        .flatten()
        .filter(|one| one.file_name() != "tmp")
        .filter_map(|one| std::fs::read_dir(one.path()).ok())
        .map(Iterator::count)
        .sum()
}

/// Asks until the answer is a hit: what lies on the disk is found in the background.
async fn hit(proxy: &Proxy, path: &str) -> String {
    let only = "Cache-Control: only-if-cached\r\n";
    let begun = std::time::Instant::now();
    loop {
        let answer = get(proxy.http, path, only).await;
        if is_hit(&answer) {
            return answer.text();
        }
        assert!(
            begun.elapsed() < crate::harness::PATIENCE,
            "{path}: {}",
            answer.head
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn answers_survive_a_kill() {
    let origin = Origin::start(|asked| {
        let size = if asked.target == "/large" {
            900_000
        } else {
            10
        };
        Reply::cached(
            format!("{}{}", asked.target, "x".repeat(size)),
            "max-age=600",
        )
    })
    .await;
    let directory = TempDir::new().expect("directory");
    let proxy = on_disk(&origin, directory.path(), "10MiB");
    for path in ["/small", "/large"] {
        get(proxy.http, path, "").await;
    }
    until("both are written", || files(directory.path()) == 2).await;
    // Dropping is SIGKILL.
    drop(proxy);
    let proxy = on_disk(&origin, directory.path(), "10MiB");
    assert!(hit(&proxy, "/small").await.starts_with("/smallx"));
    assert_eq!(hit(&proxy, "/large").await.len(), 900_006);
    let part = get(proxy.http, "/large", "Range: bytes=2-3\r\n").await;
    assert_eq!((part.status, part.text().as_str()), (206, "ar"));
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn a_kill_in_mid_write_leaves_nothing_corrupt() {
    let origin = Origin::start(|asked| {
        let letter = asked.target.as_bytes()[1];
        let body = String::from_utf8(vec![letter; 700_000]).expect("text");
        Reply::cached(body, "max-age=600")
    })
    .await;
    let directory = TempDir::new().expect("directory");
    let only = "Cache-Control: only-if-cached\r\n";
    for round in 0..6 {
        let proxy = on_disk(&origin, directory.path(), "100MiB");
        for number in 0..8 {
            let path = format!("/{}-{round}", char::from(b'a' + number));
            assert_eq!(get(proxy.http, &path, "").await.body.len(), 700_000);
        }
        drop(proxy);
        let proxy = on_disk(&origin, directory.path(), "100MiB");
        for number in 0..8_u8 {
            let letter = b'a' + number;
            let path = format!("/{}-{round}", char::from(letter));
            let answer = get(proxy.http, &path, only).await;
            if answer.status == 200 {
                assert_eq!(answer.body.len(), 700_000);
                assert!(answer.body.iter().all(|byte| *byte == letter));
            }
        }
    }
}

#[tokio::test]
async fn the_disk_is_bounded() {
    let origin = Origin::start(|_| Reply::cached("x".repeat(100_000), "max-age=600")).await;
    let directory = TempDir::new().expect("directory");
    let proxy = on_disk(&origin, directory.path(), "1MiB");
    for number in 0..30 {
        get(proxy.http, &format!("/{number}"), "").await;
    }
    until("the rest is deleted", || {
        (1..=10).contains(&files(directory.path()))
    })
    .await;
}

#[tokio::test]
async fn a_purge_reaches_the_disk() {
    let origin =
        Origin::start(|_| Reply::cached("x", "max-age=600").with("surrogate-key", "t")).await;
    let directory = TempDir::new().expect("directory");
    let cache = format!(
        "control = 'unix:$DIR/control.sock'\ncache = {{ disk = '1MiB', directory = '{}' }}",
        directory.path().display()
    );
    let proxy = proxy_with(&origin, "", &cache);
    get(proxy.http, "/x", "").await;
    until("it is written", || files(directory.path()) == 1).await;
    let answer = proxy.ctl_json(&["purge", "--tag", "t"]).await;
    assert_eq!(
        answer,
        serde_json::json!({"memory": 1, "disk": 1, "soft": false})
    );
    assert!(!is_hit(&get(proxy.http, "/x", "").await));
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error_at_the_start() {
    let settings =
        "[proxy]\nhttp = '127.0.0.1:0'\ncache = { disk = '1MiB', directory = '/proc/no' }\n";
    let output = crate::harness::proxy::output(settings, &["serve"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && err.contains("proxy.cache.directory"),
        "{err}"
    );
    let half = "cache = { disk = '1MiB' }\n";
    let output = crate::harness::proxy::output(half, &["check"]);
    assert_eq!(output.status.code(), Some(64));
}
