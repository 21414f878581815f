//! Sites, routes and the actions that need no application.

use crate::harness::{App, Proxy, Visitor};

fn settings(app: &App) -> String {
    format!(
        "[[proxy.sites]]\nhosts = 'example.org, *.example.org'\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'root' }}\n\
         [[proxy.sites.routes]]\nprefix = '/app'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\npath = '/app/exact'\nrespond = {{ status = 418, body = 'exact' }}\n\
         [[proxy.sites.routes]]\nprefix = '/old'\nredirect = {{ to = 'https://new.example/', status = 302 }}\n\
         [[proxy.sites.routes]]\nprefix = '/small'\nupstream = 'app'\nbody = '1KiB'\n\
         [[proxy.sites]]\nhosts = 'deep.sub.example.org'\n\
         [[proxy.sites.routes]]\npath = '/'\nrespond = {{ body = 'deep' }}\n\
         [[proxy.sites]]\nhosts = 'secure.example'\nredirect_https = true\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    )
}

async fn ask(proxy: &Proxy, host: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = Visitor::ask(proxy.http, &request).await;
    let text = match answer.header("location") {
        "" => answer.text(),
        location => location.to_owned(),
    };
    (answer.status, text)
}

#[tokio::test]
async fn the_most_exact_host_and_path_win() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    for (host, path, status, text) in [
        ("example.org", "/", 200, "root"),
        ("EXAMPLE.org:8080", "/application", 200, "root"),
        ("example.org.", "/", 200, "root"),
        ("www.example.org", "/app", 200, "ok"),
        ("www.example.org", "/app/x", 200, "ok"),
        ("example.org", "/app/exact", 418, "exact"),
        ("example.org", "/old/page", 302, "https://new.example/"),
        ("deep.sub.example.org", "/", 200, "deep"),
        (
            "secure.example",
            "/a?b=c",
            308,
            "https://secure.example/a?b=c",
        ),
    ] {
        assert_eq!(
            ask(&proxy, host, path).await,
            (status, text.to_owned()),
            "{host}{path}"
        );
    }
}

#[tokio::test]
async fn what_nobody_serves_is_404_and_a_strange_host_421() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    assert_eq!(ask(&proxy, "other.example", "/").await.0, 421);
    assert_eq!(ask(&proxy, "deep.sub.example.org", "/x").await.0, 404);
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_route_may_have_its_own_limit_for_bodies() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: example.org\r\nContent-Length: 2000\r\n\r\n{}",
            "x".repeat(2000)
        )
    };
    assert_eq!(Visitor::ask(proxy.http, &post("/small")).await.status, 413);
    assert_eq!(Visitor::ask(proxy.http, &post("/app")).await.status, 200);
}
