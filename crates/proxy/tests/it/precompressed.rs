//! Compressed files beside the ones they were made of.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

use crate::files::{serving, write};
use crate::harness::visitor::Answer;
use crate::harness::{Proxy, Visitor};

const TEXT: &[u8] = b"body { color: red; color: red; color: red; color: red; }";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("finished")
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 20);
    encoder.write_all(text).expect("written");
    encoder.into_inner()
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut text = Vec::new();
    let body = answer.body.as_slice();
    match answer.header("content-encoding") {
        "" => text.extend_from_slice(body),
        "gzip" => {
            flate2::read::GzDecoder::new(body)
                .read_to_end(&mut text)
                .expect("gzip");
        }
        "br" => {
            brotli::Decompressor::new(body, 4096)
                .read_to_end(&mut text)
                .expect("br");
        }
        "zstd" => text = zstd::decode_all(body).expect("zstd"),
        other => panic!("what is {other}?"),
    }
    text
}

fn start(files: &str) -> Proxy {
    let proxy = serving(files, "[proxy.files]\nrevalidate = '0ms'");
    write(&proxy, "a.css", TEXT);
    write(&proxy, "a.css.gz", &gzip(TEXT));
    write(&proxy, "a.css.br", &brotli(TEXT));
    write(
        &proxy,
        "a.css.zst",
        &zstd::encode_all(TEXT, 9).expect("zstd"),
    );
    write(&proxy, "alone.css", TEXT);
    proxy
}

async fn get(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn each_visitor_gets_the_coding_it_likes_best() {
    let proxy = start("");
    let mut tags = std::collections::HashMap::new();
    for (accepted, encoding) in [
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("zstd, gzip", "zstd"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, *;q=0.1", "zstd"),
        ("deflate", ""),
        ("identity, gzip;q=0.1", ""),
        ("gzip;q=0", ""),
    ] {
        let answer = get(&proxy, "a.css", &format!("Accept-Encoding: {accepted}\r\n")).await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, encoding)
        );
        assert_eq!(decoded(&answer), TEXT, "{accepted}");
        assert_eq!(answer.header("vary"), "accept-encoding", "{accepted}");
        assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
        let tag = answer.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        assert_eq!(*tags.entry(encoding).or_insert(tag.clone()), tag);
    }
    let unique: std::collections::HashSet<_> = tags.values().collect();
    assert_eq!(unique.len(), 4, "the same tag on two codings: {tags:?}");
}

#[tokio::test]
async fn conditions_and_ranges_are_about_the_chosen_coding() {
    let proxy = start("");
    let plain = get(&proxy, "a.css", "").await;
    assert_eq!(plain.header("vary"), "accept-encoding");
    let accepts = "Accept-Encoding: gzip\r\n";
    let zipped = get(&proxy, "a.css", accepts).await;
    let (own, other) = (zipped.header("etag"), plain.header("etag"));
    for (tag, status) in [(own, 304), (other, 200)] {
        let fields = format!("{accepts}If-None-Match: {tag}\r\n");
        let answer = get(&proxy, "a.css", &fields).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            (answer.header("etag"), answer.header("vary")),
            (own, "accept-encoding")
        );
    }
    let fields = format!("{accepts}Range: bytes=2-9\r\nIf-Range: {own}\r\n");
    let part = get(&proxy, "a.css", &fields).await;
    assert_eq!(
        (part.status, part.header("content-encoding")),
        (206, "gzip")
    );
    assert_eq!(part.body, zipped.body[2..10]);
    let length = zipped.body.len();
    assert_eq!(part.header("content-range"), format!("bytes 2-9/{length}"));
    let fields = format!("{accepts}Range: bytes=2-9\r\nIf-Range: {other}\r\n");
    assert_eq!(get(&proxy, "a.css", &fields).await.status, 200);
}

#[tokio::test]
async fn a_file_without_siblings_does_not_vary() {
    let proxy = start("");
    let answer = get(&proxy, "alone.css", "Accept-Encoding: gzip\r\n").await;
    assert!(!answer.has("vary") && !answer.has("content-encoding"));
}

#[tokio::test]
async fn what_is_older_than_its_original_is_not_sent() {
    let proxy = start("");
    let old = SystemTime::now() - Duration::from_secs(60);
    let path = proxy.directory().join("root/a.css.br");
    let file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("file");
    file.set_modified(old).expect("time");
    let answer = get(&proxy, "a.css", "Accept-Encoding: br, gzip;q=0.5\r\n").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    // A new original: all that was made of the old one is out.
    write(&proxy, "a.css", b"new");
    let answer = get(&proxy, "a.css", "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!(
        (answer.header("content-encoding"), answer.text().as_str()),
        ("", "new")
    );
}

#[tokio::test]
async fn siblings_count_only_while_they_are_wanted() {
    let proxy = start("precompressed = false");
    let answer = get(&proxy, "a.css", "Accept-Encoding: br, gzip\r\n").await;
    assert!(!answer.has("content-encoding") && answer.body == TEXT);
    // Under its own name it is a file like any other.
    let answer = get(&proxy, "a.css.gz", "Accept-Encoding: br, gzip\r\n").await;
    assert!(!answer.has("content-encoding") && answer.body == gzip(TEXT));
}
