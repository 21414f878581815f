//! The same requests to the same files, here and at nginx: the same answers, but for what is named.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::files::{serving, write};
use crate::harness::visitor::Answer;
use crate::harness::{PATIENCE, Proxy, Visitor};
use kiuas_common::testing::skip;

/// nginx in the foreground, on a port and in a directory of its own; ended when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Nginx {
    /// Serves `directory`'s `root`; `None` if there is no nginx.
    async fn start(directory: &Path) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| Path::new(path).exists())?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let home = directory.join("nginx");
        std::fs::create_dir(&home).expect("directory");
        std::fs::write(home.join("nginx.conf"), configuration(address, directory)).expect("file");
        let child = Command::new(program)
            .arg("-p")
            .arg(&home)
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, address };
        let listens = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listens)
            .await
            .expect("nginx listens");
        Some(nginx)
    }
}

fn configuration(address: SocketAddr, directory: &Path) -> String {
    let home = directory.join("nginx");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {}/{name};\n", home.display()))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {home}/pid;\nevents {{ }}\nhttp {{\n{temporary}\
         \x20 access_log off;\n  include /etc/nginx/mime.types;\n\
         \x20 default_type application/octet-stream;\n  if_modified_since before;\n\
         \x20 gzip_static on;\n  gzip_vary on;\n\
         \x20 server {{ listen {address}; root {root}; index index.html; }}\n}}\n",
        home = home.display(),
        root = directory.join("root").display(),
    )
}

fn fill(proxy: &Proxy) {
    write(proxy, "a.txt", b"0123456789");
    write(
        proxy,
        "large.bin",
        &(0..=255).cycle().take(300_000).collect::<Vec<u8>>(),
    );
    write(proxy, "empty.txt", b"");
    write(proxy, "sub/index.html", b"<h1>index</h1>");
    write(proxy, "bare/x.txt", b"x");
    write(proxy, "z.css", b"body {}");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, b"body {}").expect("written");
    write(proxy, "z.css.gz", &encoder.finish().expect("finished"));
    for ending in TYPES {
        write(proxy, &format!("type.{ending}"), b"x");
    }
}

/// Endings whose media types no one disputes.
const TYPES: [&str; 20] = [
    "html", "css", "txt", "gif", "jpg", "png", "svg", "webp", "avif", "json", "pdf", "zip", "wasm",
    "woff2", "mp4", "webm", "mp3", "xml", "doc", "none",
];

/// What is asked: a path and fields, in which `TAG` and `DATE` stand for what the server itself said.
const ASKED: [(&str, &str); 59] = [
    ("a.txt", ""),
    ("empty.txt", ""),
    ("large.bin", ""),
    ("none", ""),
    ("sub/", ""),
    ("bare/none", ""),
    ("a.txt/", ""),
    ("a.txt/x", ""),
    ("a.txt", "If-None-Match: TAG"),
    ("a.txt", "If-None-Match: W/TAG"),
    ("a.txt", "If-None-Match: *"),
    ("a.txt", "If-None-Match: \"x\""),
    ("a.txt", "If-None-Match: \"x\", TAG"),
    ("a.txt", "If-None-Match: \"x\",W/\"y\", W/TAG"),
    ("a.txt", "If-None-Match: \"x\"\r\nIf-Modified-Since: DATE"),
    ("a.txt", "If-Modified-Since: DATE"),
    ("a.txt", "If-Modified-Since: OLD"),
    ("a.txt", "If-Modified-Since: NEW"),
    ("a.txt", "If-Modified-Since: yesterday"),
    ("a.txt", "If-Match: TAG"),
    ("a.txt", "If-Match: *"),
    ("a.txt", "If-Match: W/TAG"),
    ("a.txt", "If-Match: \"x\""),
    ("a.txt", "If-Match: \"x\", TAG"),
    ("a.txt", "If-Unmodified-Since: DATE"),
    ("a.txt", "If-Unmodified-Since: OLD"),
    ("a.txt", "If-Unmodified-Since: NEW"),
    ("a.txt", "If-Match: \"x\"\r\nIf-None-Match: TAG"),
    ("a.txt", "If-Match: TAG\r\nIf-None-Match: TAG"),
    ("none", "If-None-Match: *"),
    ("a.txt", "Range: bytes=0-3"),
    ("a.txt", "Range: bytes=3-3"),
    ("a.txt", "Range: bytes=8-"),
    ("a.txt", "Range: bytes=-2"),
    ("a.txt", "Range: bytes=-20"),
    ("a.txt", "Range: bytes=0-99"),
    ("a.txt", "Range: bytes=10-"),
    ("a.txt", "Range: bytes=99-100"),
    ("a.txt", "Range: bytes=-0"),
    ("a.txt", "Range: lines=0-1"),
    ("a.txt", "Range: bytes=0-3\r\nIf-Range: TAG"),
    ("a.txt", "Range: bytes=0-3\r\nIf-Range: DATE"),
    ("a.txt", "Range: bytes=0-3\r\nIf-Range: OLD"),
    ("a.txt", "Range: bytes=0-3\r\nIf-Range: \"x\""),
    ("a.txt", "Range: bytes=0-3\r\nIf-None-Match: TAG"),
    ("a.txt", "Range: bytes=0-3\r\nIf-Match: \"x\""),
    ("a.txt", "Range: bytes=99-\r\nIf-Range: \"x\""),
    ("empty.txt", "If-None-Match: TAG"),
    ("large.bin", "Range: bytes=100000-299999"),
    ("large.bin", "Range: bytes=-1"),
    ("large.bin", "Range: bytes=0-9,1000-1009"),
    ("large.bin", "Range: bytes=1000-1009,0-9,200000-"),
    ("large.bin", "Range: bytes=0-9, 999999-"),
    ("large.bin", "Range: bytes=999999-,999998-"),
    ("z.css", "Accept-Encoding: gzip"),
    ("z.css", "Accept-Encoding: gzip;q=0"),
    ("z.css", "Accept-Encoding: deflate"),
    ("z.css", ""),
    ("z.css", "Accept-Encoding: gzip\r\nIf-None-Match: \"x\""),
];

/// Where we follow the RFC and nginx does not: path, fields, nginx's status, ours.
const OTHERWISE: [(&str, &str, u16, u16); 9] = [
    // RFC 9110 14.2: what is malformed is ignored.
    ("a.txt", "Range: bytes=5-2", 416, 200),
    ("a.txt", "Range: bytes=x", 416, 200),
    ("a.txt", "Range: bytes=0-1,y", 416, 200),
    // RFC 9110 13.1.3: the date does not count beside a tag.
    (
        "a.txt",
        "If-None-Match: TAG\r\nIf-Modified-Since: OLD",
        200,
        304,
    ),
    // RFC 9110 14.1.2: there is no first byte in an empty file.
    ("empty.txt", "Range: bytes=0-0", 200, 416),
    // RFC 9110 14: a compressed file has ranges like any other.
    (
        "z.css",
        "Accept-Encoding: gzip\r\nRange: bytes=2-5",
        200,
        206,
    ),
    // RFC 9110 15.3.7.2: ranges that overlap are sent as one.
    ("large.bin", "Range: bytes=0-199999,100000-299999", 200, 206),
    // RFC 9110 15.4.9: the method stays.
    ("sub", "", 301, 308),
    // That a directory is there is nobody's business.
    ("bare/", "", 403, 404),
];

async fn ask(to: SocketAddr, method: &str, path: &str, fields: &str) -> Answer {
    let first = Visitor::get(to, &format!("/{path}")).await;
    let mut fields = fields.replace("TAG", first.header("etag"));
    for (name, date) in [
        ("DATE", first.header("last-modified")),
        ("OLD", "Thu, 01 Jan 1998 00:00:00 GMT"),
        ("NEW", "Wed, 01 Jan 2098 00:00:00 GMT"),
    ] {
        fields = fields.replace(name, date);
    }
    let line = if fields.is_empty() { "" } else { "\r\n" };
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: a\r\n{fields}{line}\r\n");
    Visitor::ask(to, &request).await
}

/// What must be the same: tags, boundaries and pages for people are each server's own.
fn essence(answer: &Answer, path: &str) -> String {
    let served = [200, 206].contains(&answer.status);
    let media_type = answer.header("content-type");
    let boundary = media_type.split_once("boundary=").map(|(_, own)| own);
    let mut body = String::new();
    if served {
        for byte in &answer.body {
            body.push(char::from(*byte));
        }
    }
    if let Some(boundary) = boundary {
        // nginx begins with an empty line, and has its parts without a character set.
        body = body.replace(boundary, "BOUNDARY").trim_start().to_owned();
    }
    let type_of = if served {
        media_type.split(';').next().unwrap_or_default()
    } else {
        ""
    };
    format!(
        "{path} {} type={type_of} range={} encoding={} vary={} modified={} tag={} accept={} {body:?}",
        answer.status,
        answer.header("content-range"),
        answer.header("content-encoding"),
        answer.header("vary").to_ascii_lowercase(),
        served && answer.has("last-modified"),
        served && answer.has("etag"),
        // A whole answer says that parts can be had; nginx has none of what is compressed.
        answer.status == 200
            && !answer.has("content-encoding")
            && answer.header("accept-ranges") == "bytes",
    )
}

#[tokio::test]
async fn files_are_answered_as_nginx_answers_them() {
    let proxy = serving("", "");
    let Some(nginx) = Nginx::start(proxy.directory()).await else {
        skip("the comparison with nginx: `apt-get install nginx`");
        return;
    };
    fill(&proxy);
    let mut differences = Vec::new();
    let types = TYPES.map(|ending| (format!("type.{ending}"), ""));
    let asked = ASKED.map(|(path, fields)| (path.to_owned(), fields));
    for (path, fields) in types.into_iter().chain(asked) {
        for method in ["GET", "HEAD"] {
            if method == "HEAD" && fields.contains("Range") {
                // RFC 9110 14.2: a range is for GET alone; nginx gives one to HEAD too.
                continue;
            }
            let theirs = ask(nginx.address, method, &path, fields).await;
            let ours = ask(proxy.http, method, &path, fields).await;
            let (theirs, ours) = (essence(&theirs, &path), essence(&ours, &path));
            if theirs != ours {
                differences.push(format!(
                    "{method} {path} {fields}\n nginx {theirs}\n kiuas {ours}"
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test]
async fn what_nginx_does_otherwise_is_known() {
    let proxy = serving("", "");
    let Some(nginx) = Nginx::start(proxy.directory()).await else {
        skip("the comparison with nginx: `apt-get install nginx`");
        return;
    };
    fill(&proxy);
    for (path, fields, theirs, ours) in OTHERWISE {
        let statuses = (
            ask(nginx.address, "GET", path, fields).await.status,
            ask(proxy.http, "GET", path, fields).await.status,
        );
        assert_eq!(statuses, (theirs, ours), "{path} {fields}");
    }
}
