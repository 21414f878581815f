//! Who may ask, by address, and together with a password.

use std::process::Command;

use crate::harness::{Proxy, Visitor};

fn site(lines: &str) -> String {
    format!(
        "trusted = '127.0.0.1'\n[[proxy.sites]]\nhosts = '*'\n{lines}\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'in' }}\n\
         [[proxy.sites.routes]]\nprefix = '/open'\nrespond = {{ body = 'open' }}\naccess = false\npassword = false\n"
    )
}

async fn from(proxy: &Proxy, address: &str, more: &str) -> u16 {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n{more}\r\n");
    Visitor::ask(proxy.http, &request).await.status
}

#[tokio::test]
async fn an_allow_list_keeps_everybody_else_out() {
    let proxy = Proxy::start(&site(
        "access = { allow = ['10.0.0.0/8', '2001:db8::/32'], deny = ['10.0.0.5'] }",
    ));
    for (address, status) in [
        ("10.1.2.3", 200),
        ("2001:db8::7", 200),
        ("10.0.0.5", 403),
        ("9.9.9.9", 403),
        ("rubbish", 403),
    ] {
        assert_eq!(from(&proxy, address, "").await, status, "{address}");
    }
    let open = "GET /open HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, open).await.text(), "open");
}

#[tokio::test]
async fn rules_are_taken_in_order() {
    let proxy = Proxy::start(&site(
        "access = { rules = ['deny 10.0.0.5', 'allow 10.0.0.0/8', 'deny all'] }",
    ));
    for (address, status) in [("10.0.0.5", 403), ("10.0.0.6", 200), ("9.9.9.9", 403)] {
        assert_eq!(from(&proxy, address, "").await, status, "{address}");
    }
}

#[tokio::test]
async fn a_stranger_cannot_say_that_it_comes_from_inside() {
    let proxy = Proxy::start(
        "[[proxy.sites]]\nhosts = '*'\naccess = { allow = '10.0.0.0/8' }\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = { body = 'in' }\n",
    );
    let forwarded = "Forwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n";
    assert_eq!(from(&proxy, "10.0.0.1", forwarded).await, 403);
}

#[tokio::test]
async fn one_of_address_and_password_may_be_enough_or_both_needed() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("users");
    let made = Command::new("htpasswd")
        .args(["-cbs"])
        .arg(&path)
        .args(["anna", "right"])
        .output();
    assert!(made.expect("htpasswd").status.success());
    let lines = |satisfy: &str| {
        site(&format!(
            "satisfy = '{satisfy}'\naccess = {{ allow = '10.0.0.0/8' }}\npassword = {{ file = '{}' }}",
            path.display()
        ))
    };
    let known = "Authorization: Basic YW5uYTpyaWdodA==\r\n";
    let (any, all) = (Proxy::start(&lines("any")), Proxy::start(&lines("all")));
    for (address, more, with_any, with_all) in [
        ("10.0.0.1", known, 200, 200),
        ("10.0.0.1", "", 200, 401),
        ("9.9.9.9", known, 200, 403),
        ("9.9.9.9", "", 401, 403),
    ] {
        assert_eq!(
            from(&any, address, more).await,
            with_any,
            "any {address} {more}"
        );
        assert_eq!(
            from(&all, address, more).await,
            with_all,
            "all {address} {more}"
        );
    }
}
