//! What is measured, of whom, and what should be reached.

use super::super::report::{Goal, Summary};
use super::contender::{
    ACTIX, ACTIX_POOL, Contender, GRANIAN, GUNICORN, KIUAS, UWSGI, UWSGI_HUP, UWSGI_RESTART,
};
use super::task::Task;

/// Something that matters about a pool.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) summary: Summary,
    pub(super) goals: Vec<Goal>,
    pub(super) task: Task,
    /// Ours first.
    pub(super) contenders: &'static [Contender],
}

const EVERYBODY: &[Contender] = &[KIUAS, ACTIX, GRANIAN, UWSGI, GUNICORN];
const NEW_CONNECTIONS: &[Contender] = &[KIUAS, ACTIX, UWSGI, GUNICORN, GRANIAN];
const ROLLING: &[Contender] = &[
    KIUAS,
    ACTIX_POOL,
    GRANIAN,
    GUNICORN,
    UWSGI,
    UWSGI_HUP,
    UWSGI_RESTART,
];
const STARTING: &[Contender] = &[KIUAS, UWSGI, UWSGI_HUP, GUNICORN, GRANIAN];
const SPREADING: &[Contender] = &[KIUAS, ACTIX_POOL, GRANIAN, GUNICORN];
const LOOPING: &[Contender] = &[KIUAS, ACTIX, ACTIX_POOL, UWSGI, GUNICORN];
const REMEMBERING: &[Contender] = &[KIUAS, UWSGI, GUNICORN, GRANIAN];

/// All of them.
pub(super) fn all() -> Vec<Work> {
    let work = |name, unit, summary, goals: &[Goal], task, contenders| Work {
        name,
        unit,
        summary,
        goals: goals.to_vec(),
        task,
        contenders,
    };
    let ratio = |peer, least| Goal::Ratio { peer, least };
    vec![
        work(
            "trivial handler, keep-alive",
            "µs of CPU a request",
            Summary::Median,
            &[ratio("actix", 0.93), ratio("uwsgi", 10.0)],
            Task::Cost { close: false },
            EVERYBODY,
        ),
        work(
            "trivial handler, new connections",
            "s of CPU for 100 000 requests",
            Summary::Median,
            &[Goal::AtMost(3.0)],
            Task::Cost { close: true },
            NEW_CONNECTIONS,
        ),
        work(
            "rolls under 32 clients",
            "lost requests in all rolls",
            Summary::Sum,
            &[Goal::AtMost(0.0)],
            Task::Rolls,
            ROLLING,
        ),
        work(
            "roll of an application that needs 1 s to start",
            "ms, longest request",
            Summary::Median,
            &[Goal::NotAbove("uwsgi"), Goal::AtMost(60.0)],
            Task::SlowStart,
            STARTING,
        ),
        work(
            "endless loop in one handler, 24 clients",
            "lost requests",
            Summary::Maximum,
            &[Goal::AtMost(1.0)],
            Task::Endless,
            LOOPING,
        ),
        work(
            "spread of 64 connections over 4 children, one by one",
            "farthest from 16",
            Summary::Maximum,
            &[Goal::AtMost(1.0)],
            Task::Spread { at_once: false },
            SPREADING,
        ),
        work(
            "spread of 64 connections over 4 children, at once",
            "farthest from 16",
            Summary::Maximum,
            &[Goal::AtMost(1.0)],
            Task::Spread { at_once: true },
            SPREADING,
        ),
        work(
            "memory of 8 idle processes and their master",
            "MB PSS",
            Summary::Median,
            &[Goal::AtMost(12.0)],
            Task::Memory,
            REMEMBERING,
        ),
        work(
            "stuck request named, with its stack",
            "ms after its limit",
            Summary::Maximum,
            &[Goal::AtMost(300.0)],
            Task::Stuck,
            &[KIUAS],
        ),
    ]
}
