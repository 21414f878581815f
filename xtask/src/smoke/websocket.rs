//! Just enough of RFC 6455 to see the first message of a live page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(10);
/// The key and the answer of RFC 6455's own example, section 1.3: a server that computes anything else
/// is none.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const LONGEST_HEAD: usize = 16 * 1024;

/// The first text message that the server at `address` sends on `path`.
pub(super) fn first_message(
    address: SocketAddr,
    path: &str,
    origin: &str,
    cookies: &str,
) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nCookie: {cookies}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n\r\n"
    )?;
    let head = head(&mut stream)?;
    if !accepted(&head) {
        let line = head.lines().next().unwrap_or_default();
        bail!("the server did not switch to WebSocket: {line}");
    }
    text(&mut stream)
}

fn head(stream: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            bail!("the answer's head does not end");
        }
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .context("the answer's head broke off")?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Status 101 and the right answer to our key.
pub(super) fn accepted(head: &str) -> bool {
    head.starts_with("HTTP/1.1 101 ")
        && head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| {
                name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
            })
}

/// The next text message; a server's frames are not masked. Pings before it are passed over.
pub(super) fn text(stream: &mut impl Read) -> Result<String> {
    const FINAL_TEXT: u8 = 0x81;
    const PING: u8 = 0x89;
    loop {
        let mut start = [0; 2];
        stream.read_exact(&mut start).context("no message came")?;
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            length if length < 126 => usize::from(length),
            _ => bail!("the first message is masked or far too long"),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        match start[0] {
            FINAL_TEXT => return String::from_utf8(payload).context("the message is no text"),
            PING => {}
            other => bail!("unexpected frame {other:#04x}"),
        }
    }
}
