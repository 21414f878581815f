//! PostgreSQL, Redis and RabbitMQ of a session, started again when they die.

use anyhow::Result;

use super::PURPOSE;
use super::backoff::Backoff;
use crate::console::{Console, complain};
use crate::process::Service;
use crate::services::{Place, Postgres, RabbitMq, Redis};

/// The servers. Dropped in this order.
#[derive(Debug)]
pub(super) struct Databases {
    /// Sessions, cache and the queue.
    pub(super) redis: Redis,
    /// The data.
    pub(super) postgres: Postgres,
    /// The queue, if that is where it shall be.
    pub(super) rabbitmq: Option<RabbitMq>,
    redis_backoff: Backoff,
    postgres_backoff: Backoff,
    rabbitmq_backoff: Backoff,
}

impl Databases {
    /// Starts them and waits until they answer; not so RabbitMQ, which takes its time.
    pub(super) fn start(place: &Place, with_rabbitmq: bool) -> Result<Self> {
        let rabbitmq = with_rabbitmq.then(|| RabbitMq::start(place)).transpose()?;
        Ok(Self {
            rabbitmq,
            redis: Redis::start(place)?,
            postgres: Postgres::start(place)?,
            redis_backoff: Backoff::new(),
            postgres_backoff: Backoff::new(),
            rabbitmq_backoff: Backoff::new(),
        })
    }

    /// All processes, in the order of stopping.
    pub(super) fn services(&mut self) -> Vec<&mut Service> {
        let rabbitmq = self.rabbitmq.iter_mut().flat_map(RabbitMq::services);
        rabbitmq
            .chain([self.redis.service(), self.postgres.service()])
            .collect()
    }

    /// Starts again what has ended, when its time has come. Sockets stay where they were, so that the
    /// components find the new server by themselves.
    pub(super) fn revive(&mut self, place: &Place, console: &Console) -> Result<()> {
        if is_due(self.redis.service(), &mut self.redis_backoff, console) {
            match Redis::start(place) {
                Ok(redis) => self.redis = redis,
                Err(error) => put_off(&error, &mut self.redis_backoff, place)?,
            }
        }
        if is_due(self.postgres.service(), &mut self.postgres_backoff, console) {
            match Postgres::start(place) {
                Ok(postgres) => self.postgres = postgres,
                Err(error) => put_off(&error, &mut self.postgres_backoff, place)?,
            }
        }
        if let Some(rabbitmq) = &mut self.rabbitmq
            && is_due(rabbitmq.service(), &mut self.rabbitmq_backoff, console)
        {
            // Not waited for: what needs it connects when it answers.
            match rabbitmq.start_again(place) {
                Ok(()) => {}
                Err(error) => put_off(&error, &mut self.rabbitmq_backoff, place)?,
            }
        }
        Ok(())
    }
}

fn is_due(service: &mut Service, backoff: &mut Backoff, console: &Console) -> bool {
    let Some(status) = service.ended() else {
        return false;
    };
    if !backoff.waits() {
        let pause = backoff.died().as_secs_f64();
        let name = service.name();
        let text = format!("{name} has ended ({status}); starting it again in {pause:.1} s");
        console.line(PURPOSE, &text);
    }
    backoff.is_due()
}

fn put_off(error: &anyhow::Error, backoff: &mut Backoff, place: &Place) -> Result<()> {
    place.interrupt.check()?;
    complain(error);
    backoff.died();
    Ok(())
}
