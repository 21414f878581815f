//! Limits of how often one may ask.

use crate::harness::visitor::Answer;
use crate::harness::{Proxy, Visitor};

fn site(limits: &str) -> String {
    format!(
        "trusted = '127.0.0.1'\nthreads = 2\n[[proxy.sites]]\nhosts = '*'\nrate = [{limits}]\n\
         [[proxy.sites.routes]]\nprefix = '/'\nrespond = {{ body = 'in' }}\n\
         [[proxy.sites.routes]]\nprefix = '/free'\nrespond = {{ body = 'free' }}\nrate = []\n"
    )
}

async fn ask(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    Visitor::ask(proxy.http, &request).await
}

async fn passed(proxy: &Proxy, fields: &str, times: usize) -> usize {
    let mut count = 0;
    for _ in 0..times {
        count += usize::from(ask(proxy, "/", fields).await.status == 200);
    }
    count
}

fn start(limits: &str) -> Proxy {
    // The harness writes `threads` already.
    Proxy::start(&site(limits).replace("threads = 2\n", ""))
}

#[tokio::test]
async fn above_the_burst_the_answer_is_429_and_says_when() {
    let proxy = start("{ rate = '1/h', burst = 2 }");
    assert_eq!(passed(&proxy, "X-Forwarded-For: 9.9.9.9\r\n", 3).await, 3);
    let refused = ask(&proxy, "/", "X-Forwarded-For: 9.9.9.9\r\n").await;
    assert_eq!(refused.status, 429);
    let seconds: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    assert_eq!(
        refused.header("ratelimit-policy"),
        "\"address\";q=3;w=10800"
    );
    assert!(
        refused
            .header("ratelimit")
            .starts_with("\"address\";r=0;t=")
    );
    assert_eq!(
        passed(&proxy, "X-Forwarded-For: 9.9.9.8\r\n", 3).await,
        3,
        "another address"
    );
    assert_eq!(
        passed(&proxy, "X-Forwarded-For: 2001:db8::1\r\n", 2).await
            + passed(&proxy, "X-Forwarded-For: 2001:db8::2:1\r\n", 5).await,
        3,
        "one network of IPv6"
    );
    assert_eq!(
        ask(&proxy, "/free", "X-Forwarded-For: 9.9.9.9\r\n")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn keys_may_be_fields_cookies_or_everything() {
    let proxy = start("{ key = 'header:x-api-key', rate = '1/h', burst = 0 }");
    assert_eq!(passed(&proxy, "X-Api-Key: a\r\n", 3).await, 1);
    assert_eq!(passed(&proxy, "X-Api-Key: b\r\n", 3).await, 1);
    assert_eq!(
        passed(&proxy, "", 3).await,
        3,
        "without the field nothing is counted"
    );
    let proxy = start("{ key = 'cookie:session', rate = '1/h', burst = 0, status = 503 }");
    assert_eq!(passed(&proxy, "Cookie: x=1; session=a\r\n", 3).await, 1);
    assert_eq!(ask(&proxy, "/", "Cookie: session=a\r\n").await.status, 503);
    let proxy = start("{ key = 'all', rate = '1/h', burst = 1 }, { rate = '1/h', burst = 0 }");
    assert_eq!(
        passed(&proxy, "X-Forwarded-For: 9.9.9.1\r\n", 3).await,
        1,
        "the second limit"
    );
    assert_eq!(
        passed(&proxy, "X-Forwarded-For: 9.9.9.2\r\n", 3).await,
        0,
        "the first limit"
    );
}

#[tokio::test]
async fn a_dry_run_refuses_nothing_and_some_are_spared() {
    let proxy = start("{ rate = '1/h', burst = 0, dry_run = true }");
    assert_eq!(passed(&proxy, "", 3).await, 3);
    assert!(proxy.log().contains("above the limit of a dry run"));
    let proxy = start("{ rate = '1/h', burst = 0, except = ['10.0.0.0/8'] }");
    assert_eq!(passed(&proxy, "X-Forwarded-For: 10.0.0.1\r\n", 3).await, 3);
    assert_eq!(passed(&proxy, "X-Forwarded-For: 9.9.9.9\r\n", 3).await, 1);
}

#[tokio::test]
async fn every_answer_may_tell_what_is_left() {
    let proxy = start("{ rate = '60/m', burst = 9, announce = true }");
    let answer = ask(&proxy, "/", "").await;
    assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=10;w=10");
    assert_eq!(answer.header("ratelimit"), "\"address\";r=9;t=1");
}

#[tokio::test]
async fn a_burst_may_be_spread_out() {
    let proxy = start("{ rate = '10/s', burst = 5, delay = true }");
    let begun = std::time::Instant::now();
    let all = futures_util::future::join_all((0..6).map(|_| ask(&proxy, "/", ""))).await;
    assert!(all.iter().all(|answer| answer.status == 200));
    // The sixth may not be answered earlier, however fast the machine is.
    assert!(begun.elapsed() >= std::time::Duration::from_millis(450));
}
