//! What is tried when a path is no file.

use crate::files::write;
use crate::harness::{App, Proxy, Visitor};

fn serving(files: &str, more: &str) -> Proxy {
    let proxy = Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nfiles = {{ root = '$DIR/root', {files} }}\n{more}"
    ));
    write(&proxy, "index.html", b"the app");
    write(&proxy, "about.html", b"about");
    write(&proxy, "sub/main.htm", b"sub");
    write(&proxy, "assets/a.css", b"a{}");
    proxy
}

async fn table(proxy: &Proxy, rows: &[(&str, u16, &str)]) {
    // Twice: from the disk, and as it is known then.
    for (path, status, text) in rows.iter().chain(rows) {
        let answer = Visitor::get(proxy.http, path).await;
        assert_eq!(answer.status, *status, "{path}");
        if !text.is_empty() {
            assert_eq!(answer.text(), *text, "{path}");
        }
    }
}

#[tokio::test]
async fn a_page_app_gets_its_page_for_every_path() {
    let proxy = serving("try_files = ['$path', '/index.html']", "");
    let rows = [
        ("/", 200, "the app"),
        ("/users/1?tab=2", 200, "the app"),
        ("/assets", 200, "the app"),
        ("/assets/", 200, "the app"),
        ("/assets/a.css", 200, "a{}"),
        ("/assets/none.css", 200, "the app"),
        ("/.env", 404, ""),
        ("/users/.env", 404, ""),
    ];
    table(&proxy, &rows).await;
    let request = "POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    let request = "OPTIONS /users HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, request).await.status, 405);
}

#[tokio::test]
async fn endings_and_directories_are_tried_in_their_order() {
    let files = "index = 'main.htm', try_files = ['$path', '$path.html', '$path/', '=404']";
    let proxy = serving(files, "");
    let rows = [
        ("/about", 200, "about"),
        ("/about.html", 200, "about"),
        ("/about/", 404, ""),
        ("/sub/", 200, "sub"),
        ("/sub", 308, ""),
        ("/index", 200, "the app"),
        ("/", 404, ""),
        ("/assets", 404, ""),
        ("/none", 404, ""),
    ];
    table(&proxy, &rows).await;
}

#[tokio::test]
async fn what_is_not_there_goes_to_the_application() {
    let app = App::start().await;
    let upstream = format!("[proxy.upstreams.app]\ntargets = '{}'\n", app.target);
    let proxy = serving("try_files = ['$path', '@app']", &upstream);
    let rows = [
        ("/assets/a.css", 200, "a{}"),
        ("/", 200, "the app"),
        ("/api/x", 200, "ok"),
        ("/.hidden", 200, "ok"),
    ];
    table(&proxy, &rows).await;
    app.take();
    let request = "POST /echo?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert_eq!(app.only().target, "/echo?a=b");
    let request = "POST /about.html HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, request).await.status, 405);
}

#[tokio::test]
async fn what_is_not_there_falls_through_to_the_next_route() {
    let app = App::start().await;
    let proxy = Proxy::start(&format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/a'\nfiles = {{ root = '$DIR/root', fallthrough = true }}\n\
         [[proxy.sites.routes]]\npath = '/a/b.txt'\nfiles = {{ root = '$DIR/none', fallthrough = true }}\n\
         [[proxy.sites.routes]]\nprefix = '/last'\nfiles = {{ root = '$DIR/root', fallthrough = false }}\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    ));
    write(&proxy, "b.txt", b"b");
    let rows = [
        ("/a/b.txt", 200, "b"),
        ("/a/c.txt", 200, "ok"),
        ("/x", 200, "ok"),
        ("/last/c.txt", 404, ""),
    ];
    table(&proxy, &rows).await;
}

#[test]
fn wrong_tries_are_named() {
    for (files, problem) in [
        ("try_files = ['path']", "`path`: write `$path`"),
        (
            "try_files = ['$path', '@ap']",
            "there is no `[proxy.upstreams.ap]`. Did you mean `app`?",
        ),
        ("try_files = ['=404', '$path']", "nothing is tried after"),
        (
            "try_files = ['/a', '$path']",
            "`$path` must stand before the fixed files",
        ),
        ("try_files = ['$path/x']", "only an ending"),
        ("try_files = ['/../x']", "`/../x`: write"),
        ("try_files = []", "nothing to try"),
        (
            "try_files = ['$path', '=404'], fallthrough = true",
            "`fallthrough`",
        ),
        ("index = 'a/b'", "`a/b` is no name of a file"),
        ("charset = 'utf 8'", "no name of a character set"),
    ] {
        let settings = format!(
            "[[proxy.sites]]\nhosts = '*'\n[[proxy.sites.routes]]\nprefix = '/'\n\
             files = {{ root = '$DIR', {files} }}\n[proxy.upstreams.app]\ntargets = '127.0.0.1:1'\n"
        );
        let output = crate::harness::proxy::output(&settings, &["check"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{files}");
        assert!(text.contains(problem), "{files}: {text}");
    }
}
