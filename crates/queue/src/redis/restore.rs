//! What dead workers held goes back to its queue, or to the dead letters when it killed too many.

use std::sync::LazyLock;

use redis::Script;
use serde_json::value::RawValue;

use super::consumer::RedisBroker;
use super::settle::{self, Effect, Settle};
use crate::broker::{Hold, Swept};
use crate::error::QueueError;
use crate::message::Envelope;
use crate::poison::{Burial, MOST_DELIVERIES, dead_letter};

static STALE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/stale.lua")));

/// kombu's default: what a Python worker holds longer than this is restored.
const VISIBILITY_TIMEOUT_SECS: u64 = 3600;
/// Entries of the index that one call reads.
const PAGE: usize = 1000;

/// One pass over everything that is in workers' hands.
pub(super) async fn sweep(broker: &RedisBroker) -> Result<Swept, QueueError> {
    let mut swept = Swept::default();
    let mut offset = 0;
    loop {
        let (read, stale) = find(broker, offset).await?;
        for (tag, record) in stale {
            let is_ours = owner(&tag) == Some(broker.inner.worker.as_str());
            // Ours and held: alive. Ours and not held: a claim whose answer never reached us.
            if is_ours && broker.inner.held.lock().contains(&tag) {
                continue;
            }
            restore(broker, &tag, &record, is_ours, &mut swept).await?;
        }
        if read < PAGE {
            return Ok(swept);
        }
        offset += read;
    }
}

async fn find(
    broker: &RedisBroker,
    offset: usize,
) -> Result<(usize, Vec<(String, Vec<u8>)>), QueueError> {
    let inner = &broker.inner;
    let mut call = STALE.prepare_invoke();
    call.key(inner.keys.unacked())
        .key(inner.keys.unacked_index())
        .arg(inner.lease.as_secs_f64())
        .arg(VISIBILITY_TIMEOUT_SECS)
        .arg(offset)
        .arg(PAGE)
        .arg(inner.keys.alive_prefix())
        .arg(&inner.worker);
    inner
        .connection
        .script("look for what dead workers held", &call)
        .await
}

/// The worker of this crate that a tag belongs to; `None` for Python's.
fn owner(tag: &str) -> Option<&str> {
    let (owner, _) = tag.rsplit_once(':')?;
    owner.starts_with("kiuas-").then_some(owner)
}

async fn restore(
    broker: &RedisBroker,
    tag: &str,
    record: &[u8],
    is_ours: bool,
    swept: &mut Swept,
) -> Result<(), QueueError> {
    let keys = &broker.inner.keys;
    let Ok((raw, exchange, queue)) =
        serde_json::from_slice::<(Box<RawValue>, String, String)>(record)
    else {
        // It would stop every Python worker that sweeps; no queue is known to put it aside for.
        tracing::error!(tag, "a record of `unacked` is unreadable, putting it aside");
        let effect = Effect::Aside {
            list: keys.malformed("unacked"),
            text: record.to_vec(),
        };
        return count(broker, Settle::new(tag, vec![effect]), &mut swept.dead).await;
    };
    if !exchange.is_empty() {
        // Bound through an exchange: only kombu's own sweep knows the way back.
        return Ok(());
    }
    let raw = raw.get().as_bytes();
    let owner = owner(tag);
    let guard = owner.filter(|_| !is_ours).map(|owner| keys.alive(owner));
    let Ok(mut envelope) = Envelope::parse(raw) else {
        let effect = Effect::Front {
            list: keys.list(&queue, 0),
            text: raw.to_vec(),
        };
        let mut settle = Settle::new(tag, vec![effect]);
        settle.guard = guard;
        return count(broker, settle, &mut swept.restored).await;
    };
    envelope.mark_redelivered();
    if owner.is_some() && !is_ours {
        envelope.headers.deliveries = Some(envelope.headers.deliveries.unwrap_or(0) + 1);
    }
    if envelope.headers.deliveries.unwrap_or(0) >= MOST_DELIVERIES {
        let mut settle = bury(broker, tag, raw, &queue, &envelope)?;
        settle.guard = guard;
        return count(broker, settle, &mut swept.dead).await;
    }
    let effect = Effect::Front {
        list: keys.list(&queue, envelope.priority()),
        text: envelope.to_text()?.into_bytes(),
    };
    let mut settle = Settle::new(tag, vec![effect]);
    settle.guard = guard;
    count(broker, settle, &mut swept.restored).await
}

/// The end of a task that killed its workers.
fn bury<'a>(
    broker: &RedisBroker,
    tag: &'a str,
    raw: &[u8],
    queue: &str,
    envelope: &Envelope,
) -> Result<Settle<'a>, QueueError> {
    let (keys, settings) = (&broker.inner.keys, &broker.inner.settings);
    let burial = Burial::of(envelope);
    let mut effects = vec![Effect::Aside {
        list: keys.dead(queue),
        text: dead_letter(raw, queue, &burial.reason, tag),
    }];
    for meta in &burial.results {
        effects.push(settle::result(keys, meta, settings.result_expires)?);
    }
    Ok(Settle::new(tag, effects))
}

async fn count(
    broker: &RedisBroker,
    settle: Settle<'_>,
    counter: &mut u64,
) -> Result<(), QueueError> {
    if broker.settle(settle).await? == Hold::Kept {
        *counter += 1;
    }
    Ok(())
}
