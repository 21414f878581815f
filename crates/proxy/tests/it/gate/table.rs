//! Raw requests, most of them malformed, and what must become of each.

/// What must happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Must {
    /// This status, then the end, and nothing reaches the application.
    Refuse(u16),
    /// So many requests arrive and are answered with 200.
    Pass(usize),
}
use Must::{Pass, Refuse};

/// Name, bytes and outcome.
pub(crate) fn table() -> Vec<(&'static str, Vec<u8>, Must)> {
    let many_fields = |count: usize| {
        let fields: String = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
    };
    let large = |size: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(size)
        )
        .into_bytes()
    };
    let long =
        |size: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(size)).into_bytes();
    let mut table: Vec<(&str, Vec<u8>, Must)> = vec![
        ("200 fields", many_fields(200), Refuse(431)),
        ("60 fields", many_fields(60), Pass(1)),
        ("64 KiB field", large(64 << 10), Refuse(431)),
        ("12 KiB field", large(12 << 10), Pass(1)),
        ("20 KiB target", long(20 << 10), Refuse(414)),
        ("7 KiB target", long(7 << 10), Pass(1)),
    ];
    let texts: &[(&str, &str, Must)] = &[
        ("plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Pass(1)),
        (
            "two pipelined",
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(2),
        ),
        (
            "empty line before",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(1),
        ),
        (
            "two empty lines before",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "space before the method",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "CL and TE",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "TE and CL",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "two equal CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "two different CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "CL list",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "CL with a sign",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "negative CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "hexadecimal CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "empty CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            Refuse(400),
        ),
        (
            "huge CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            Refuse(400),
        ),
        (
            "CL",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            Pass(1),
        ),
        (
            "CL hides a request",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /inner HTTP/1.1\r\nHost: inside\r\n",
            Pass(1),
        ),
        (
            "TE twice",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "TE list",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Refuse(501),
        ),
        (
            "TE identity",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
            Refuse(501),
        ),
        (
            "TE with a vertical tab",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "space before the colon",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "HTTP/1.0 with TE",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
            Pass(1),
        ),
        (
            "chunked, then another",
            "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(2),
        ),
        (
            "chunk size ends with LF",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunk extension ends with LF",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunk without CRLF",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunk size with 0x",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunk size with a space",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "chunk size without digits",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "overflowing chunk size",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
            Refuse(400),
        ),
        (
            "trailer that frames",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 4\r\n\r\n",
            Refuse(400),
        ),
        (
            "folded field",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
            Refuse(400),
        ),
        (
            "folded first field",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            Refuse(400),
        ),
        ("LF alone", "GET / HTTP/1.1\nHost: a\n\n", Refuse(400)),
        (
            "LF alone in one line",
            "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
            Refuse(400),
        ),
        (
            "CR alone",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            Refuse(400),
        ),
        (
            "NUL",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            Refuse(400),
        ),
        (
            "field without a name",
            "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
            Refuse(400),
        ),
        (
            "field without a colon",
            "GET / HTTP/1.1\r\nHost: a\r\nrubbish\r\n\r\n",
            Refuse(400),
        ),
        ("no Host", "GET / HTTP/1.1\r\n\r\n", Refuse(400)),
        ("no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", Refuse(400)),
        (
            "two Hosts",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            Refuse(400),
        ),
        (
            "two equal Hosts",
            "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            Refuse(400),
        ),
        ("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Refuse(400)),
        (
            "Host with a path",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            Refuse(400),
        ),
        (
            "Host with a user",
            "GET / HTTP/1.1\r\nHost: me@a\r\n\r\n",
            Refuse(400),
        ),
        (
            "Host list",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            Refuse(400),
        ),
        (
            "Host with a port",
            "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n",
            Pass(1),
        ),
        (
            "absolute target",
            "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(1),
        ),
        (
            "absolute target, other Host",
            "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "asterisk",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "target without a slash",
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "space in the target",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "tab in the line",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "fragment",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "dot segments",
            "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "escaped dot segments",
            "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "escaped slash and dots",
            "GET /a/..%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "escaped NUL",
            "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "dots in the query",
            "GET /a?x=/../b HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(1),
        ),
        (
            "CONNECT",
            "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
            Refuse(405),
        ),
        ("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse(405)),
        (
            "method that is no token",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "HTTP/2 preface",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            Refuse(505),
        ),
        ("HTTP/0.9", "GET /\r\n\r\n", Refuse(400)),
        (
            "lower-case version",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            Refuse(400),
        ),
        (
            "Connection lists Host",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n",
            Refuse(400),
        ),
        (
            "Connection lists Content-Length",
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc",
            Refuse(400),
        ),
        (
            "unknown expectation",
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n",
            Refuse(417),
        ),
        (
            "upgrade to h2c",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            Pass(1),
        ),
        (
            "refusal after a good one",
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
            Pass(1),
        ),
        (
            "the stand-in's own bytes",
            "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n",
            Pass(1),
        ),
    ];
    table.extend(
        texts
            .iter()
            .map(|(name, text, must)| (*name, text.as_bytes().to_vec(), *must)),
    );
    table
}
