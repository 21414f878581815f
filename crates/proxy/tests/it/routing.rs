//! Patterns, methods, rewrites and redirections with variables.

use crate::harness::{App, Proxy, Visitor};

async fn ask(proxy: &Proxy, line: &str) -> (u16, String) {
    let request = format!("{line} HTTP/1.1\r\nHost: example.org\r\nContent-Length: 0\r\n\r\n");
    let answer = Visitor::ask(proxy.http, &request).await;
    let text = match answer.header("location") {
        "" => answer.text(),
        location => location.to_owned(),
    };
    (answer.status, text)
}

fn respond(matcher: &str, body: &str) -> String {
    format!("[[proxy.sites.routes]]\n{matcher}\nrespond = {{ body = '{body}' }}\n")
}

const SITE: &str = "[[proxy.sites]]\nhosts = '*'\n";

#[tokio::test]
async fn exact_then_final_prefix_then_pattern_then_prefix() {
    let routes = [
        respond("prefix = '/'", "root"),
        respond("prefix = '/img'", "img"),
        respond("prefix = '/static'\nfinal = true", "static"),
        respond("regex = '\\.(png|jpg)$'", "picture"),
        respond("regex = '^/img/'", "late"),
        respond("path = '/logo.png'", "logo"),
    ];
    let proxy = Proxy::start(&format!("{SITE}{}", routes.concat()));
    for (path, expected) in [
        ("/logo.png", "logo"),
        ("/static/a.png", "static"),
        ("/img/a.png", "picture"),
        ("/img/a.gif", "late"),
        ("/img", "img"),
        ("/other", "root"),
    ] {
        assert_eq!(
            ask(&proxy, &format!("GET {path}")).await.1,
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_its_route() {
    let routes = [
        respond("prefix = '/'", "root"),
        respond("prefix = '/admin'", "admin"),
    ];
    let proxy = Proxy::start(&format!("{SITE}{}", routes.concat()));
    for path in [
        "/admin",
        "/%61dmin",
        "//admin",
        "/%2Fadmin/x",
        "///%61%64min/",
    ] {
        assert_eq!(
            ask(&proxy, &format!("GET {path}")).await.1,
            "admin",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_route_for_some_methods_leaves_the_others_to_the_next() {
    let routes = [
        respond("prefix = '/api'\nmethods = ['GET']", "read"),
        respond("prefix = '/api'\nmethods = ['POST', 'PUT']", "write"),
        respond("prefix = '/form'\nmethods = ['POST']", "form"),
    ];
    let proxy = Proxy::start(&format!("{SITE}{}", routes.concat()));
    assert_eq!(ask(&proxy, "GET /api/x").await.1, "read");
    assert_eq!(ask(&proxy, "PUT /api/x").await.1, "write");
    assert_eq!(ask(&proxy, "HEAD /api/x").await.0, 200);
    let refused = Visitor::get(proxy.http, "/form").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_rewritten_path_is_routed_again_or_goes_on() {
    let app = App::start().await;
    let settings = format!(
        "{SITE}\
         [[proxy.sites.routes]]\nregex = '^/old/([0-9]+)$'\nrewrite = {{ to = '/new/$1' }}\n\
         [[proxy.sites.routes]]\nprefix = '/new'\nupstream = 'app'\n\
         [[proxy.sites.routes]]\nprefix = '/kept'\nupstream = 'app'\nrewrite = {{ regex = '^/kept/(.*)$', to = '/seen/$1?fixed=1' }}\n\
         [[proxy.sites.routes]]\nprefix = '/loop'\nrewrite = {{ to = '/loop/x' }}\n\
         [[proxy.sites.routes]]\nregex = '^/dots(.*)x$'\nupstream = 'app'\nrewrite = {{ to = '/$1' }}\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    );
    let proxy = Proxy::start(&settings);
    for (asked, seen) in [
        ("/old/7?a=b", "/new/7?a=b"),
        ("/kept/z?a=b", "/seen/z?fixed=1"),
        ("/kept", "/kept"),
    ] {
        assert_eq!(ask(&proxy, &format!("GET {asked}")).await.0, 200, "{asked}");
        assert_eq!(app.only().target, seen, "{asked}");
    }
    assert_eq!(ask(&proxy, "GET /loop").await.0, 500);
    assert_eq!(
        ask(&proxy, "GET /dots..x").await.0,
        404,
        "a rewrite makes no dot segments"
    );
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn an_application_may_live_under_another_path() {
    let app = App::start().await;
    let settings = format!(
        "{SITE}\
         [[proxy.sites.routes]]\nprefix = '/shop'\nupstream = 'app'\nstrip_prefix = true\n\
         [[proxy.sites.routes]]\nprefix = '/v1'\nupstream = 'app'\nstrip_prefix = true\nadd_prefix = '/api/v1'\n\
         [proxy.upstreams.app]\ntargets = '{}'\n",
        app.target
    );
    let proxy = Proxy::start(&settings);
    for (asked, seen) in [
        ("/shop", "/"),
        ("/shop/", "/"),
        ("/shop/a%20b?c=d", "/a%20b?c=d"),
        ("/%73hop/x", "/x"),
        ("/shop//evil.example", "/evil.example"),
        ("/v1/x?y", "/api/v1/x?y"),
    ] {
        assert_eq!(ask(&proxy, &format!("GET {asked}")).await.0, 200, "{asked}");
        assert_eq!(app.only().target, seen, "{asked}");
    }
}

#[tokio::test]
async fn redirections_with_variables_stay_where_the_settings_send_them() {
    let redirect = |matcher: &str, to: &str| {
        format!("[[proxy.sites.routes]]\n{matcher}\nredirect = {{ to = '{to}', status = 301 }}\n")
    };
    let routes = [
        redirect(
            "regex = '^/blog/([0-9]+)/(.*)$'",
            "https://blog.example/$2?id=$1",
        ),
        redirect("prefix = '/same'", "$uri"),
        redirect("regex = '^/go/(.*)$'", "/$1"),
        redirect("prefix = '/host'", "https://$host/new$path?$query"),
    ];
    let proxy = Proxy::start(&format!("{SITE}{}", routes.concat()));
    for (path, location) in [
        ("/blog/7/a%0d%0ab", "https://blog.example/a%0D%0Ab?id=7"),
        ("/go//evil.example/x", "/evil.example/x"),
        ("//same/evil.example", "/same/evil.example"),
        ("/host/x?y=z", "https://example.org/new/host/x?y=z"),
        ("/host/x", "https://example.org/new/host/x"),
    ] {
        assert_eq!(
            ask(&proxy, &format!("GET {path}")).await,
            (301, location.to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn files_are_found_under_every_spelling_of_their_prefix() {
    let root = tempfile::tempdir().expect("directory");
    std::fs::write(root.path().join("a b.txt"), "found").expect("file");
    let settings = format!(
        "{SITE}[[proxy.sites.routes]]\nprefix = '/static/'\nfiles = {{ root = '{}' }}\n",
        root.path().display()
    );
    let proxy = Proxy::start(&settings);
    for path in [
        "/static/a%20b.txt",
        "/%73tatic/a%20b.txt",
        "//static/a%20b.txt",
    ] {
        assert_eq!(
            ask(&proxy, &format!("GET {path}")).await.1,
            "found",
            "{path}"
        );
    }
}
