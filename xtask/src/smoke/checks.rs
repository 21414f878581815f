//! The checks, each over the public face of what it checks: a visitor signs up, makes a poll that
//! closes in some seconds, votes, watches, and reads the mail that tells the result.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::report::Report;
use super::visitor::{Visitor, curl, fetch};
use super::websocket;
use crate::interrupt::Interrupt;
use crate::process::output;
use crate::stack::Stack;

/// Beat looks every second or two, and the worker takes tasks at once.
const PATIENCE: Duration = Duration::from_secs(20);
const STATIC_FILE: &str = "/static/site.css";
const QUESTION: &str = "Which wood heats best?";
/// Long enough to vote and to watch before it closes.
const OPEN_FOR: &str = "+8 seconds";
/// As the form's field has moments.
const FORM: &str = "+%Y-%m-%dT%H:%M:%S";

/// All checks of a stack that is up, each needing only those before it.
pub(super) fn all(
    stack: &Stack,
    state: &Path,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<()> {
    let base = stack.url()?;
    let visitor = Visitor::new(&base, state);
    report.check("web", || web(stack));
    report.check("proxy http", || {
        visitor
            .get("/")?
            .expect(200)?
            .header("x-request-id")
            .map(drop)
    });
    report.check("proxy https", || https(stack));
    report.check("static", || static_file(&base));
    let Some(poll) = report.check("polls", || make_poll(&visitor)) else {
        return Ok(());
    };
    report.check("websocket", || live(stack, &visitor, &poll));
    report.check("beat", || closed(&visitor, &poll, interrupt));
    report.check("worker", || mailed(&visitor, interrupt));
    Ok(())
}

/// The application's own socket, without the proxy.
fn web(stack: &Stack) -> Result<()> {
    let mut command = curl();
    command.arg("--unix-socket").arg(stack.sockets.web_path());
    fetch(command.arg("http://localhost/"))?.expect(200)?;
    Ok(())
}

/// A certificate that the local authority vouches for, and HTTP/2.
fn https(stack: &Stack) -> Result<()> {
    let mut command = curl();
    command
        .arg("--http2")
        .arg("--cacert")
        .arg(stack.authority());
    let url = format!("https://{}/", stack.sockets.https_address()?);
    let answer = fetch(command.arg(url))?.expect(200)?;
    if !answer.text.starts_with("HTTP/2 ") {
        bail!("the answer is not HTTP/2");
    }
    Ok(())
}

/// A part of a file, and nothing when the visitor has it already.
fn static_file(base: &str) -> Result<()> {
    let url = format!("{base}{STATIC_FILE}");
    let part = fetch(curl().args(["--range", "0-9", &url]))?.expect(206)?;
    let tag = format!("If-None-Match: {}", part.header("etag")?);
    fetch(curl().args(["--header", &tag, &url]))?.expect(304)?;
    Ok(())
}

/// Signs up, asks a question that closes soon, and votes. The poll's path.
fn make_poll(visitor: &Visitor) -> Result<String> {
    let author = [
        ("name", "Smoke"),
        ("email", "smoke@example.org"),
        ("password", "loyly and birch leaves"),
    ];
    visitor
        .submit("/sign-up", "/sign-up", &author)?
        .expect(303)?;
    let closes_at = output(Command::new("date").args(["-u", "-d", OPEN_FOR, FORM]))?;
    let poll = [
        ("question", QUESTION),
        ("choices", "Birch\nAlder"),
        ("closes_at", closes_at.trim()),
    ];
    let made = visitor
        .submit("/polls/new", "/polls/new", &poll)?
        .expect(303)?;
    let path = made.header("location")?.to_owned();
    let choice = visitor.get(&path)?.expect(200)?.input("choice")?;
    let vote = format!("{path}/vote");
    visitor
        .submit(&path, &vote, &[("choice", &choice)])?
        .expect(303)?;
    Ok(path)
}

/// The live page of the poll sends the vote.
fn live(stack: &Stack, visitor: &Visitor, poll: &str) -> Result<()> {
    let message = websocket::first_message(
        stack.sockets.http_address()?,
        &format!("{poll}/live"),
        &stack.url()?,
        &visitor.cookie_header()?,
    )?;
    let results: serde_json::Value =
        serde_json::from_str(&message).context("the message is not JSON")?;
    if results["total"] != 1 {
        bail!("one vote was given, the live page says {message}");
    }
    Ok(())
}

/// Nobody but beat closes the poll.
fn closed(visitor: &Visitor, poll: &str, interrupt: &Interrupt) -> Result<()> {
    interrupt.wait("closing the poll", PATIENCE, || {
        let page = visitor.get(poll)?.expect(200)?;
        // An open poll's page brings the notice along for later, in a template.
        Ok(page.text.contains("id=\"closed\"") && !page.text.contains("<template"))
    })
}

/// Nobody but a worker writes the letter about it.
fn mailed(visitor: &Visitor, interrupt: &Interrupt) -> Result<()> {
    interrupt.wait("the letter about the closed poll", PATIENCE, || {
        let page = visitor.get("/mail")?.expect(200)?;
        Ok(page.text.contains(QUESTION))
    })
}
