use anyhow::anyhow;

use super::report::Report;
use super::visitor::{Answer, attribute, cookies};
use super::websocket::{accepted, text};
use crate::interrupt::Interrupt;

#[test]
fn a_component_that_fails_is_named_once() {
    let mut report = Report::new(Interrupt::default());
    assert_eq!(report.check("redis", || Ok(7)), Some(7));
    assert!(report.failures().is_empty());
    assert_eq!(
        report.check::<()>("web", || Err(anyhow!("no answer"))),
        None
    );
    report.failed("web", &anyhow!("again"));
    assert_eq!(report.failures(), ["web"]);
}

#[test]
fn an_answer_gives_status_headers_and_inputs() {
    let answer = Answer {
        status: 303,
        text: "HTTP/1.1 303 See Other\r\nLocation: /polls/7\r\n\r\nX: no\n\
               <input type=\"hidden\" name=\"csrf_token\" value=\"abc\">"
            .to_owned(),
    };
    assert_eq!(answer.header("location").unwrap(), "/polls/7");
    assert!(answer.header("x").is_err());
    assert_eq!(answer.input("csrf_token").unwrap(), "abc");
    assert!(answer.input("choice").is_err());
    let refusal = answer.expect(200).unwrap_err().to_string();
    assert_eq!(refusal, "expected status 200, got HTTP/1.1 303 See Other");
}

#[test]
fn attributes_are_whole_names() {
    assert_eq!(attribute(" data-name=\"a\" name=\"b\"", "name"), Some("b"));
    assert_eq!(attribute(" value=\"", "name"), None);
}

#[test]
fn the_cookie_jar_becomes_a_header() {
    let jar = "# Netscape HTTP Cookie File\n\n\
        #HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tabc\n\
        127.0.0.1\tFALSE\t/\tFALSE\t0\ttheme\tdark\n";
    assert_eq!(cookies(jar), "session=abc; theme=dark");
    assert_eq!(cookies(""), "");
}

#[test]
fn only_the_right_answer_to_the_key_is_accepted() {
    let right = "HTTP/1.1 101 Switching Protocols\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert!(accepted(right));
    assert!(!accepted(&right.replace("xOo=", "xOo")));
    assert!(!accepted(&right.replace("101", "200")));
}

#[test]
fn the_first_text_is_found_behind_pings_and_bounded() {
    let mut stream: &[u8] = b"\x89\x01p\x81\x02{}";
    assert_eq!(text(&mut stream).unwrap(), "{}");
    let mut long = vec![0x81, 126, 1, 0];
    long.extend([b'x'; 256]);
    assert_eq!(text(&mut long.as_slice()).unwrap().len(), 256);
    assert!(text(&mut &b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"[..]).is_err());
    assert!(text(&mut &b"\x88\x00"[..]).is_err());
    assert!(text(&mut &b""[..]).is_err());
}
