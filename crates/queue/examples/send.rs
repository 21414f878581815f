//! Sends a task by name and waits for its result: `send NAME [JSON list of arguments] [QUEUE]`.

use std::io::Write;
use std::time::Duration;

use kiuas_common::redis::Redis;
use kiuas_common::{Settings, tls};
use kiuas_queue::Queue;
use serde_json::{Map, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tls::install_provider();
    let settings = Settings::from_process()?;
    let redis = Redis::queue(&settings.section("redis")?)?;
    let queue = Queue::open(redis, settings.section("queue")?)?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let name = words.first().ok_or("which task?")?;
    let args: Vec<Value> = match words.get(1) {
        Some(text) => serde_json::from_str(text)?,
        None => Vec::new(),
    };
    let to = words.get(2).map(String::as_str);
    let id = queue.send_raw(name, args, Map::new(), to).await?;
    let meta = queue.wait(&id, Duration::from_secs(30)).await?;
    writeln!(
        std::io::stdout().lock(),
        "{}",
        serde_json::to_string_pretty(&meta)?
    )?;
    Ok(())
}
