use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Disk;
use crate::cache::entry::{Content, Entry, Head};
use crate::cache::key::{Key, KeyRef};
use crate::cache::policy::{Lifetime, Source};
use crate::cache::purge::Purge;
use crate::cache::vary::Selection;

fn entry(path: &str, body: &[u8]) -> Arc<Entry> {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-odd",
        http::HeaderValue::from_bytes(b"\xff\xe9").expect("value"),
    );
    let head = Head {
        status: StatusCode::OK,
        headers,
        lifetime: Lifetime {
            initial_age: 1,
            since: 2,
            fresh_for: 3,
            while_revalidate: 4,
            if_error: 5,
            strict: true,
            source: Source::MaxAge,
        },
        selection: Selection::default(),
        tags: vec!["tag".into()],
    };
    let key = Key::parse(&format!("http://a{path}")).expect("URL");
    let content = Content::Memory(Bytes::copy_from_slice(body));
    Arc::new(Entry::new(key, head, content))
}

async fn get(disk: &Disk, path: &str) -> Option<Arc<Entry>> {
    let url = format!("http://a{path}");
    let key = KeyRef::parse(&url).expect("URL");
    disk.get(&key, &HeaderMap::new()).await
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let directories = fs::read_dir(directory).expect("directory").flatten();
    directories
        .flat_map(|one| fs::read_dir(one.path()).expect("directory").flatten())
        .map(|file| file.path())
        .collect()
}

fn body(entry: &Entry) -> Vec<u8> {
    match &entry.content {
        Content::Memory(bytes) => bytes.to_vec(),
        Content::File {
            file,
            offset,
            length,
        } => {
            let length = usize::try_from(*length).expect("length");
            file.read(*offset, length).expect("content").to_vec()
        }
    }
}

#[tokio::test]
async fn an_answer_is_found_again_by_the_next_process_with_all_it_had() {
    let directory = tempfile::tempdir().expect("directory");
    let large = vec![7; 600 << 10];
    {
        let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
        disk.put(&entry("/small", b"small"));
        disk.put(&entry("/large", &large));
        until("written", async || files(directory.path()).len() == 2).await;
        until("indexed", async || get(&disk, "/large").await.is_some()).await;
    }
    let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
    until("found", async || get(&disk, "/small").await.is_some()).await;
    let small = get(&disk, "/small").await.expect("stored");
    let written = entry("/small", b"small");
    assert_eq!(small.head.headers, written.head.headers);
    assert_eq!(small.head.lifetime, written.head.lifetime);
    assert_eq!(small.head.tags, written.head.tags);
    assert_eq!(body(&small), b"small");
    until("found", async || get(&disk, "/large").await.is_some()).await;
    assert_eq!(body(&get(&disk, "/large").await.expect("stored")), large);
}

#[tokio::test]
async fn whatever_byte_is_damaged_nothing_wrong_is_served() {
    let directory = tempfile::tempdir().expect("directory");
    let original = {
        let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
        disk.put(&entry("/x", b"content"));
        until("written", async || get(&disk, "/x").await.is_some()).await;
        fs::read(&files(directory.path())[0]).expect("file")
    };
    let path = files(directory.path())[0].clone();
    for at in (0..original.len()).step_by(7).chain([original.len()]) {
        let mut damaged = original.clone();
        match damaged.get_mut(at) {
            Some(byte) => *byte ^= 0x55,
            None => damaged.truncate(original.len() - 1),
        }
        fs::write(&path, &damaged).expect("damage");
        let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
        until("scanned", async || !disk.shared.index.lock().is_scanning()).await;
        if let Some(found) = get(&disk, "/x").await {
            panic!("byte {at} of {}: {:?}", original.len(), body(&found));
        }
        until("deleted", async || files(directory.path()).is_empty()).await;
    }
}

#[tokio::test]
async fn the_least_used_go_when_there_is_no_room() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = Disk::open(directory.path(), 100 << 10).expect("disk");
    for number in 0..20 {
        disk.put(&entry(&format!("/{number}"), &[1; 10 << 10]));
        let url = format!("http://a/{number}");
        let key = KeyRef::parse(&url).expect("URL");
        until("written", async || disk.has(&key)).await;
        get(&disk, "/0").await;
    }
    assert!(disk.used() <= 100 << 10);
    assert!(
        get(&disk, "/0").await.is_some(),
        "it was used again and again"
    );
    until("deleted", async || files(directory.path()).len() < 10).await;
}

#[tokio::test]
async fn what_is_purged_before_it_is_written_is_not_found_later() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
    for _ in 0..50 {
        disk.put(&entry("/x", b"old"));
        disk.purge(&Purge::Tag("tag".to_owned()));
    }
    disk.put(&entry("/y", b"new"));
    until("written", async || get(&disk, "/y").await.is_some()).await;
    assert!(get(&disk, "/x").await.is_none());
}

#[tokio::test]
async fn a_disk_that_fails_stores_nothing_and_harms_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = Disk::open(directory.path(), 10 << 20).expect("disk");
    until("scanned", async || !disk.shared.index.lock().is_scanning()).await;
    fs::remove_dir_all(directory.path()).expect("gone");
    disk.put(&entry("/x", b"x"));
    until("tried", async || disk.shared.index.lock().is_idle()).await;
    assert!(get(&disk, "/x").await.is_none());
}
