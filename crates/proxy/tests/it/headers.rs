//! Rules for header fields, on every kind of answer and towards the application.

use crate::harness::{App, Proxy, Visitor};

fn settings(app: &App) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '*'\n\
         headers = {{ security = true, csp = \"default-src 'self'\", server = 'edge', set = {{ x-site = '1' }}, \
                      request = {{ set = {{ x-to-app = 'yes' }}, remove = ['x-from-visitor'] }} }}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/hop'\nupstream = 'app'\n\
         headers = {{ default = {{ x-public = 'ours' }}, add = {{ x-more = '1' }}, remove = ['x-site'] }}\n\
         [[proxy.sites.routes]]\npath = '/fixed'\nrespond = {{ body = 'x' }}\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    )
}

#[tokio::test]
async fn every_answer_of_a_site_has_its_fields() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    for path in ["/", "/fixed", "/hop"] {
        let answer = Visitor::get(proxy.http, path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("content-security-policy", "default-src 'self'"),
            ("server", "edge"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
    let fault = Visitor::ask(
        proxy.http,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    )
    .await;
    assert_eq!((fault.status, fault.header("x-site")), (413, "1"));
}

#[tokio::test]
async fn a_route_adds_to_and_takes_from_its_sites_fields() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let answer = Visitor::get(proxy.http, "/hop").await;
    assert_eq!(
        answer.header("x-public"),
        "1",
        "the application's own value stands"
    );
    assert_eq!(answer.header("x-more"), "1");
    assert!(!answer.has("x-site"));
    assert_eq!(Visitor::get(proxy.http, "/").await.header("x-site"), "1");
}

#[tokio::test]
async fn an_application_gets_the_fields_that_the_settings_say() {
    let app = App::start().await;
    let proxy = Proxy::start(&settings(&app));
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-To-App: forged\r\nX-From-Visitor: 1\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, request).await.status, 200);
    let seen = app.only();
    assert_eq!(seen.header("x-to-app"), "yes");
    assert_eq!(seen.headers.get_all("x-to-app").iter().count(), 1);
    assert!(!seen.headers.contains_key("x-from-visitor"));
}
