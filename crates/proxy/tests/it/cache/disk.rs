//! The disk tier, through restarts and kills.

use std::path::Path;

use tempfile::TempDir;

use super::{Origin, Reply, get, is_hit, proxy_with};
use crate::harness::{Proxy, Visitor, until};
use crate::upgrade::Successor;
use kiuas_common::testing::skip;

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

/// Settings of a reload: the same, with another `[proxy.cache]`.
fn resized(origin: &Origin, memory: &str, disk: &str) -> String {
    format!(
        "access_log = false\nadmin = '127.0.0.1:0'\ncontrol = 'unix:$DIR/control.sock'\n\
         cache = {{ memory = '{memory}'{disk} }}\n[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\ncache = true\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        origin.target
    )
}

async fn bytes(proxy: &Proxy, tier: &str) -> u64 {
    let metrics = Visitor::get(proxy.admin.expect("admin"), "/metrics")
        .await
        .text();
    let name = format!("kiuas_proxy_cache_bytes{{tier=\"{tier}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("the metric").parse().expect("a number")
}

#[tokio::test]
async fn a_reload_changes_how_much_is_kept_and_where() {
    let origin = Origin::start(|_| Reply::cached("x".repeat(10_000), "max-age=600")).await;
    let (one, two) = (TempDir::new().expect("one"), TempDir::new().expect("two"));
    let disk = |directory: &TempDir, size: &str| {
        let directory = directory.path().display();
        format!(", disk = '{size}', directory = '{directory}'")
    };
    let proxy = Proxy::start(&resized(&origin, "8MiB", ""));
    let reload = async |settings: String| {
        proxy.rewrite(&settings);
        let (code, _, err) = proxy.ctl(&["reload"]).await;
        assert_eq!(code, 0, "{err}");
    };
    for number in 0..60 {
        get(proxy.http, &format!("/{number}"), "").await;
    }
    assert!(bytes(&proxy, "memory").await > 600_000);
    // Less memory, and a disk.
    reload(resized(&origin, "256KiB", &disk(&one, "1MiB"))).await;
    assert!(bytes(&proxy, "memory").await <= 256 << 10);
    for number in 0..60 {
        get(
            proxy.http,
            &format!("/{number}"),
            "Cache-Control: no-cache\r\n",
        )
        .await;
    }
    until("all are written", || files(one.path()) == 60).await;
    // A smaller disk.
    reload(resized(&origin, "256KiB", &disk(&one, "200KiB"))).await;
    until("the rest is deleted", || files(one.path()) <= 20).await;
    assert!(bytes(&proxy, "disk").await <= 200 << 10);
    // Another directory.
    reload(resized(&origin, "256KiB", &disk(&two, "1MiB"))).await;
    get(proxy.http, "/other", "").await;
    until("it is written", || files(two.path()) == 1).await;
    // One that cannot be made changes nothing.
    proxy.rewrite(&resized(
        &origin,
        "1MiB",
        ", disk = '1MiB', directory = '/proc/no'",
    ));
    let (code, _, err) = proxy.ctl(&["reload"]).await;
    assert!(code == 1 && err.contains("proxy.cache.directory"), "{err}");
    assert!(is_hit(&get(proxy.http, "/other", "").await));
}

#[tokio::test]
async fn after_an_upgrade_the_disk_is_warm_at_once() {
    let origin = Origin::start(|asked| Reply::cached(asked.target.clone(), "max-age=600")).await;
    let directory = TempDir::new().expect("directory");
    let disk = format!(
        ", disk = '10MiB', directory = '{}'",
        directory.path().display()
    );
    let settings = resized(&origin, "1MiB", &disk)
        .replace("control =", "limits.drain_grace = '50ms'\ncontrol =");
    let mut proxy = Proxy::start(&settings);
    for number in 0..200 {
        get(proxy.http, &format!("/{number}"), "").await;
    }
    until("all are written", || files(directory.path()) == 200).await;
    let _successor = Successor::of(&proxy.ctl_json(&["upgrade"]).await);
    assert!(proxy.ended().await.success());
    for number in 0..200 {
        let path = format!("/{number}");
        let answer = get(proxy.http, &path, "Cache-Control: only-if-cached\r\n").await;
        assert_eq!((answer.status, answer.text()), (200, path));
    }
    assert_eq!(origin.count(), 200);
}

/// A file system of its own; unmounted when dropped.
struct Small(TempDir);

impl Small {
    /// So large. `None`, loudly, if this machine does not allow it.
    fn mount(size: &str) -> Option<Self> {
        let directory = TempDir::new().expect("directory");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            skip("a full disk under the cache: file systems cannot be mounted here");
        }
        mounted.then_some(Self(directory))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let path = self.0.path();
        drop(
            std::process::Command::new("umount")
                .arg("-l")
                .arg(path)
                .status(),
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_the_cache_goes_on() {
    let Some(small) = Small::mount("512k") else {
        return;
    };
    let origin = Origin::start(|_| Reply::cached("x".repeat(100_000), "max-age=600")).await;
    let directory = small.0.path();
    let disk = format!(", disk = '100MiB', directory = '{}'", directory.display());
    let proxy = Proxy::start(&resized(&origin, "16MiB", &disk));
    let full = "the cache goes on in memory";
    for number in 0..20 {
        let answer = get(proxy.http, &format!("/{number}"), "").await;
        assert_eq!(answer.body.len(), 100_000);
    }
    until("it is told", || proxy.log().contains(full)).await;
    for number in 0..20 {
        assert!(is_hit(&get(proxy.http, &format!("/{number}"), "").await));
    }
    assert_eq!(proxy.log().matches(full).count(), 1);
    let metrics = Visitor::get(proxy.admin.expect("admin"), "/metrics")
        .await
        .text();
    let name = "kiuas_proxy_cache_unwritten_answers_total ";
    let unwritten = metrics.lines().find_map(|line| line.strip_prefix(name));
    assert!(unwritten.is_some_and(|count| count != "0"), "{metrics}");
    // Somebody makes room.
    proxy.ctl_json(&["purge", "--all"]).await;
    let again = async {
        let mut number = 100;
        while !proxy.log().contains("are written to") {
            get(proxy.http, &format!("/{number}"), "").await;
            number += 1;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, again)
        .await
        .expect("answers are written again");
    assert_eq!(proxy.log().matches(full).count(), 1);
}
