//! Callers for measurements of the pool: they never try a request twice, and know exactly how each one
//! that was lost was lost.
//!
//! ```text
//! callers run PATIENCE_MS [KIND COUNT ADDRESS PATH]...
//! callers spread COUNT ADDRESS one-by-one|at-once
//! ```
//! `run` prints `calling`, calls until its standard input ends, lets every caller finish what it waits
//! for, and prints one line of JSON. Kinds are in `caller.rs`. `spread` opens so many connections, asks
//! `/pid` once on each, and prints how many each process has. Addresses are `HOST:PORT` or `unix:/path`.
#![expect(
    clippy::print_stdout,
    reason = "a program for measurements: it prints its result"
)]

mod caller;
mod exchange;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kiuas_common::Address;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use caller::Caller;
use exchange::{Connection, Request};
use tally::Tally;

/// To open a connection and to be answered, when the spread is looked at.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    match arguments.as_slice() {
        ["run", patience, groups @ ..] if groups.len() % 4 == 0 => {
            let patience = Duration::from_millis(patience.parse()?);
            let callers = callers(groups, patience)?;
            tasks.block_on(&runtime, run(callers))
        }
        ["spread", count, address, order] => {
            let (count, address) = (count.parse()?, address.parse()?);
            let at_once = match *order {
                "at-once" => true,
                "one-by-one" => false,
                other => bail!("`{other}` is neither `one-by-one` nor `at-once`"),
            };
            tasks.block_on(&runtime, spread(count, address, at_once))
        }
        _ => bail!("see the first lines of this program for its arguments"),
    }
}

fn callers(groups: &[&str], patience: Duration) -> Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for group in groups.chunks_exact(4) {
        let [kind, count, address, path] = group else {
            continue;
        };
        let caller = Caller {
            kind: kind.parse()?,
            address: address.parse()?,
            path: (*path).to_owned(),
            patience,
        };
        let count: usize = count.parse().context("how many callers?")?;
        callers.extend(std::iter::repeat_n(caller, count));
    }
    Ok(callers)
}

async fn run(callers: Vec<Caller>) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn_local(caller.call(stopped.clone()));
    }
    println!("calling");
    let end_of_input = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(end_of_input).await??;
    stop.send_replace(true);
    let mut tally = Tally::default();
    while let Some(ended) = running.join_next().await {
        tally.add(ended.context("a caller ended by itself")?);
    }
    println!("{}", tally.report());
    Ok(())
}

async fn spread(count: usize, address: Address, at_once: bool) -> Result<()> {
    let mut open = Vec::with_capacity(count);
    if at_once {
        let mut asking = JoinSet::new();
        for _ in 0..count {
            asking.spawn_local(ask(address.clone()));
        }
        while let Some(asked) = asking.join_next().await {
            open.push(asked??);
        }
    } else {
        for _ in 0..count {
            open.push(ask(address.clone()).await?);
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (pid, _) in &open {
        *counts.entry(pid).or_default() += 1;
    }
    println!("{}", serde_json::json!({ "counts": counts }));
    Ok(())
}

/// Who answers on a new connection, and the connection, which stays open.
async fn ask(address: Address) -> Result<(String, Connection)> {
    let request = Request::get("/pid", false);
    let asked = async {
        let mut connection = Connection::open(&address).await?;
        let answer = connection.ask(&request).await?;
        Ok::<_, exchange::Loss>((
            String::from_utf8_lossy(&answer.body).into_owned(),
            connection,
        ))
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(loss)) => bail!("a connection was lost: {}", loss.name()),
        Err(_) => bail!("no answer within {} s", PATIENCE.as_secs()),
    }
}
