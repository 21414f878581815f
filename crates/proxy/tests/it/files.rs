//! Static files over a real connection.

use std::os::unix::fs::symlink;

use crate::harness::visitor::Answer;
use crate::harness::{PATIENCE, Proxy, Visitor};

const SETTINGS: &str = "[[proxy.sites]]\nhosts = '*'\n\
    [[proxy.sites.routes]]\nprefix = '/static/'\n\
    files = { root = '$DIR', cache_control = 'public, max-age=60' }\n";

/// A proxy with files under `/static/`.
pub(crate) fn start() -> Proxy {
    let proxy = Proxy::start(SETTINGS);
    let root = proxy.directory();
    let write =
        |name: &str, content: &[u8]| std::fs::write(root.join(name), content).expect("file");
    std::fs::create_dir(root.join("sub")).expect("directory");
    write("a.txt", b"0123456789");
    write("style.css", b"a{}");
    write(".env", b"secret");
    write("empty", b"");
    write("large.bin", &vec![7; 1 << 20]);
    write("sub/index.html", b"<h1>index</h1>");
    write("with space.txt", b"space");
    write("app.3f9a01bc.js", b"let a;");
    write("data.json", b"{}");
    write("unknown.xyzzy", b"?");
    std::fs::create_dir_all(root.join(".well-known/.no")).expect("directory");
    write(".well-known/security.txt", b"Contact:");
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), fifo, mode, 0).expect("pipe");
    symlink("/etc/passwd", root.join("link")).expect("link");
    symlink("/etc", root.join("etc")).expect("link");
    proxy
}

/// Asks for one of them.
pub(crate) async fn get(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    let request = format!("GET /static/{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

#[tokio::test]
async fn a_file_comes_with_all_it_needs() {
    let proxy = start();
    let answer = get(&proxy, "style.css", "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "a{}"));
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.has("last-modified") && answer.header("etag").starts_with('"'));
    assert_eq!(get(&proxy, "large.bin", "").await.body, vec![7; 1 << 20]);
    assert_eq!(get(&proxy, "with%20space.txt", "").await.text(), "space");
    assert_eq!(get(&proxy, "empty", "").await.status, 200);
    assert_eq!(get(&proxy, "sub/", "").await.text(), "<h1>index</h1>");
    for (path, location) in [("sub", "/static/sub/"), ("sub?a=b&c", "/static/sub/?a=b&c")] {
        let answer = get(&proxy, path, "").await;
        assert_eq!((answer.status, answer.header("location")), (308, location));
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let proxy = start();
    let mut visitor = Visitor::connect(proxy.http).await;
    for (name, length) in [("a.txt", "10"), ("large.bin", "1048576")] {
        visitor
            .send(format!("HEAD /static/{name} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = visitor.answer(true).await;
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, length)
        );
    }
    let request = "POST /static/a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn nothing_outside_the_directory_can_be_reached() {
    let proxy = start();
    for path in [
        "../default.toml",
        "%2e%2e/default.toml",
        "..%2fdefault.toml",
        "sub/../a.txt",
        "sub/%2e%2e/a.txt",
        "%2e%2e%2f%2e%2e%2fetc/passwd",
        "..%5c..%5cetc",
        "a.txt%00.css",
    ] {
        assert_eq!(get(&proxy, path, "").await.status, 400, "{path}");
    }
    for path in [
        "link",
        "etc/passwd",
        "etc/",
        "/etc/passwd",
        "%2fetc/passwd",
        ".env",
        "%2eenv",
        "sub/.hidden",
        ".well-known/security.txt",
        "pipe",
        "none",
        "a.txt/",
        "a.txt/b",
        "",
        "%ff%fe",
    ] {
        assert_eq!(get(&proxy, path, "").await.status, 404, "{path}");
    }
}

/// A proxy with `files` under `/`, and the lines `more` for `[proxy]`.
pub(crate) fn serving(files: &str, more: &str) -> Proxy {
    Proxy::start(&format!(
        "{more}\n[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nfiles = {{ root = '$DIR/root', {files} }}\n"
    ))
}

/// Writes a file below the root of [`serving`], which must be there before the proxy starts.
pub(crate) fn write(proxy: &Proxy, name: &str, content: &[u8]) {
    let path = proxy.directory().join("root").join(name);
    std::fs::create_dir_all(path.parent().expect("directory")).expect("directory");
    std::fs::write(path, content).expect("file");
}

#[tokio::test]
async fn media_types_come_from_names_and_settings() {
    let files = "types = { xyzzy = 'text/x-magic', css = 'text/plain; charset=ascii' }, \
                 default_type = 'application/x-unknown'";
    let proxy = serving(files, "");
    for (name, media_type) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a.PNG", "image/png"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.css", "text/plain; charset=ascii"),
        ("a.xyzzy", "text/x-magic; charset=utf-8"),
        ("a.none", "application/x-unknown"),
        ("a", "application/x-unknown"),
    ] {
        write(&proxy, name, b"x");
        let answer = Visitor::get(proxy.http, &format!("/{name}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, media_type)
        );
    }
}

#[tokio::test]
async fn names_with_a_hash_are_immutable() {
    let proxy = serving("cache_control = 'no-cache'", "");
    for (name, cache_control) in [
        ("app.js", "no-cache"),
        ("app.3f9a01bc.js", "public, max-age=31536000, immutable"),
        ("index-BkZ3x1aQ.css", "public, max-age=31536000, immutable"),
        ("report-20240101.pdf", "no-cache"),
    ] {
        write(&proxy, name, b"x");
        let answer = Visitor::get(proxy.http, &format!("/{name}")).await;
        assert_eq!(answer.header("cache-control"), cache_control, "{name}");
    }
    let proxy = serving("cache_control = 'private, max-age=60'", "");
    write(&proxy, "app.3f9a01bc.js", b"x");
    let answer = Visitor::get(proxy.http, "/app.3f9a01bc.js").await;
    assert_eq!(answer.header("cache-control"), "private, max-age=60");
}

#[tokio::test]
async fn well_known_is_the_one_hidden_directory_that_is_served() {
    let proxy = serving("", "");
    for (name, status) in [
        (".well-known/security.txt", 200),
        (".well-known/.no/x", 404),
        ("sub/.well-known/x", 404),
        (".git/config", 404),
    ] {
        write(&proxy, name, b"x");
        let answer = Visitor::get(proxy.http, &format!("/{name}")).await;
        assert_eq!(answer.status, status, "{name}");
    }
}

#[tokio::test]
async fn a_change_is_seen_within_the_time_that_is_set() {
    let proxy = serving("", "[proxy.files]\nrevalidate = '20ms'");
    let mut visitor = Visitor::connect(proxy.http).await;
    assert_eq!(visitor.get_again("/a.txt").await.status, 404);
    let mut tags = std::collections::HashSet::new();
    for content in ["one", "two", "three", "one"] {
        write(&proxy, "a.txt", content.as_bytes());
        let seen = async {
            loop {
                let answer = visitor.get_again("/a.txt").await;
                if answer.text() == content {
                    break answer.header("etag").to_owned();
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        let tag = tokio::time::timeout(PATIENCE, seen).await.expect("seen");
        assert!(tags.insert(tag), "the tag of another content: {tags:?}");
    }
    std::fs::remove_file(proxy.directory().join("root/a.txt")).expect("removed");
    let gone = async { while visitor.get_again("/a.txt").await.status != 404 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("gone");
}

#[tokio::test]
async fn a_large_file_that_changes_while_it_is_sent_breaks_off() {
    const LENGTH: usize = 64 << 20;
    let proxy = serving("", "");
    write(&proxy, "large.bin", &vec![1; LENGTH]);
    let mut visitor = Visitor::connect(proxy.http).await;
    let request = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    visitor.send(request).await;
    let mut first = [0; 1000];
    tokio::io::AsyncReadExt::read_exact(&mut visitor.stream, &mut first)
        .await
        .expect("a beginning");
    // In place: the open file is another one now.
    write(&proxy, "large.bin", &vec![2; LENGTH]);
    let mut rest = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut visitor.stream, &mut rest);
    drop(tokio::time::timeout(PATIENCE, end).await.expect("an end"));
    assert!(rest.len() < LENGTH, "all of it came");
    assert!(!rest.contains(&2), "bytes of the other content came");
    // The next visitor gets the new one, whole.
    let answer = Visitor::get(proxy.http, "/large.bin").await;
    assert!(answer.body.len() == LENGTH && !answer.body.contains(&1));
}

#[tokio::test]
async fn links_are_followed_inside_the_directory_when_told() {
    for (symlinks, status) in [("refuse", 404), ("inside", 200)] {
        let proxy = serving(&format!("symlinks = '{symlinks}'"), "");
        write(&proxy, "v2/a.txt", b"x");
        write(&proxy, "b.txt", b"x");
        let root = proxy.directory().join("root");
        symlink("v2", root.join("current")).expect("link");
        symlink("b.txt", root.join("c.txt")).expect("link");
        symlink("../default.toml", root.join("up.txt")).expect("link");
        symlink(root.join("b.txt"), root.join("absolute.txt")).expect("link");
        for (path, status) in [
            ("/current/a.txt", status),
            ("/c.txt", status),
            ("/up.txt", 404),
            ("/absolute.txt", 404),
        ] {
            let answer = Visitor::get(proxy.http, path).await;
            assert_eq!(answer.status, status, "{symlinks} {path}");
        }
    }
}

#[tokio::test]
async fn directories_are_listed_only_when_told() {
    let proxy = serving("", "");
    write(&proxy, "sub/a.txt", b"x");
    for path in ["/", "/sub", "/sub/"] {
        assert_eq!(Visitor::get(proxy.http, path).await.status, 404, "{path}");
    }
    let proxy = serving("listing = true", "");
    write(&proxy, "sub/<a & b>.txt", b"x");
    write(&proxy, "sub/.hidden", b"x");
    write(&proxy, "sub/deep/x", b"x");
    symlink("/etc/passwd", proxy.directory().join("root/sub/link")).expect("link");
    let answer = Visitor::get(proxy.http, "/sub").await;
    assert_eq!((answer.status, answer.header("location")), (308, "/sub/"));
    let answer = Visitor::get(proxy.http, "/sub/").await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let text = answer.text();
    assert!(text.contains("<a href=\"./%3Ca%20%26%20b%3E.txt\">&lt;a &amp; b&gt;.txt</a>"));
    assert!(text.contains("<a href=\"./deep/\">deep/</a>"));
    assert!(!text.contains("hidden") && !text.contains("link"), "{text}");
    let answer = Visitor::get(proxy.http, "/sub/%3Ca%20%26%20b%3E.txt").await;
    assert_eq!(answer.status, 200);
}
