//! Remote control and events, by whatever carries the tasks.

use kiuas_common::Period;
use redis::Pipeline;
use serde_json::{Value, json};

use super::{Queue, Transport};
use crate::amqp::Publication;
use crate::control::{
    AmqpMailbox, EVENTS, Mailbox, REQUESTS, REVOKED_FOR, RedisMailbox, Way, envelope,
};
use crate::error::QueueError;
use crate::message::TaskId;
use crate::results::Results;

impl Queue {
    /// Where the requests of the remote control to the worker `node` (`name@host`) arrive from now on.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn mailbox(&self, node: &str) -> Result<Mailbox, QueueError> {
        let way = match &self.transport {
            Transport::Redis(connection) => {
                Way::Redis(RedisMailbox::open(connection, &self.keys).await?)
            }
            Transport::Amqp(client) => Way::Amqp(AmqpMailbox::open(client, node).await?),
            Transport::Memory(_) => Way::Memory,
        };
        Ok(Mailbox::new(node, way))
    }

    /// Tells whoever listens what has happened: one event, or a list of them under `task.multi`.
    ///
    /// # Errors
    /// The broker is away; the event is gone then.
    pub async fn announce(
        &self,
        routing_key: &str,
        node: &str,
        event: &Value,
    ) -> Result<(), QueueError> {
        let headers = json!({ "hostname": node });
        match &self.transport {
            Transport::Redis(connection) => {
                let database = connection.redis().database();
                let channel = format!("{}/{routing_key}", self.keys.fanout(database, EVENTS));
                let text = envelope(EVENTS, routing_key, &headers, event);
                let mut pipeline = Pipeline::new();
                pipeline.publish(channel, text).ignore();
                connection.pipeline("announce an event", &pipeline).await
            }
            Transport::Amqp(client) => {
                let event = Publication::passing(EVENTS, routing_key, &headers, event)?;
                Ok(client.announce(event).await?)
            }
            Transport::Memory(_) => Ok(()),
        }
    }

    /// Asks all workers, or those in `destination`, of whatever language, to do something: Celery's
    /// remote control. No answer is waited for.
    ///
    /// # Errors
    /// The broker is away.
    pub async fn broadcast(
        &self,
        method: &str,
        arguments: Value,
        destination: Option<&[String]>,
    ) -> Result<(), QueueError> {
        let request = json!({
            "method": method,
            "arguments": arguments,
            "destination": destination,
            "pattern": null,
            "matcher": null,
        });
        let headers = json!({ "clock": 0 });
        match &self.transport {
            Transport::Redis(connection) => {
                let channel = self.keys.fanout(connection.redis().database(), REQUESTS);
                let text = envelope(REQUESTS, "", &headers, &request);
                let mut pipeline = Pipeline::new();
                pipeline.publish(channel, text).ignore();
                connection.pipeline("ask the workers", &pipeline).await
            }
            Transport::Amqp(client) => {
                let request = Publication::passing(REQUESTS, "", &headers, &request)?;
                Ok(client.broadcast(request).await?)
            }
            Transport::Memory(_) => Ok(()),
        }
    }

    /// Tells all workers, those that start later too, not to run these tasks; `terminate`: to stop them
    /// if they run.
    ///
    /// # Errors
    /// The broker, or Redis, is away.
    pub async fn revoke(&self, ids: &[TaskId], terminate: bool) -> Result<(), QueueError> {
        let texts: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        self.note_revoked(&texts, REVOKED_FOR).await?;
        let arguments = json!({ "task_id": texts, "terminate": terminate, "signal": "SIGTERM" });
        self.broadcast("revoke", arguments, None).await
    }

    /// Notes for all workers, those that start later too, that tasks are not to run, for `period`.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn note_revoked(&self, ids: &[String], period: Period) -> Result<(), QueueError> {
        let Results::Redis(connection, keys) = &self.results else {
            return Ok(());
        };
        let now = jiff::Timestamp::now().as_second();
        let seconds = i64::try_from(period.duration().as_secs()).unwrap_or(i64::MAX);
        let mut pipeline = Pipeline::new();
        for id in ids {
            let until = now.saturating_add(seconds);
            pipeline.zadd(keys.revoked(), id, until).ignore();
        }
        pipeline
            .zrembyscore(keys.revoked(), "-inf", now)
            .ignore()
            .zremrangebyrank(keys.revoked(), 0, -(MOST_REVOKED + 1))
            .ignore();
        connection.pipeline("note what is revoked", &pipeline).await
    }

    /// The tasks that are not to run.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn revoked(&self) -> Result<Vec<String>, QueueError> {
        let Results::Redis(connection, keys) = &self.results else {
            return Ok(Vec::new());
        };
        let now = jiff::Timestamp::now().as_second();
        let mut pipeline = Pipeline::new();
        pipeline.zrangebyscore(keys.revoked(), now, "+inf");
        let (ids,): (Vec<String>,) = connection
            .pipeline("read what is revoked", &pipeline)
            .await?;
        Ok(ids)
    }

    /// Stores the ends of tasks that will not run.
    ///
    /// # Errors
    /// The place of the results is away.
    pub async fn store(&self, results: &[crate::result::ResultMeta]) -> Result<(), QueueError> {
        self.results
            .store(results, self.settings.result_expires)
            .await
    }
}

/// Most revoked tasks remembered, as Celery's `CELERY_WORKER_REVOKES_MAX`.
const MOST_REVOKED: isize = 50_000;
