//! The health check: one task on the main thread asks the targets of all upstreams that want it; the
//! serving threads only read what it found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::task::JoinSet;

use super::member::{Health, Member};
use super::plan::UpstreamPlan;
use super::probe::{Probe, probe};
use crate::plan::Plans;

/// How soon a target that was added is noticed.
const LOOK: Duration = Duration::from_millis(250);
/// Questions under way at a time.
const MOST_PROBES: usize = 64;

/// What is known about a target beside its state.
#[derive(Debug)]
struct Watch {
    due: Instant,
    asking: bool,
    good: u32,
    bad: u32,
    seen: u64,
}

/// Asks forever.
pub async fn watch(plans: Arc<Plans>) {
    let mut watches: HashMap<u64, Watch> = HashMap::new();
    let mut probes: JoinSet<(Arc<UpstreamPlan>, Arc<Member>, Probe)> = JoinSet::new();
    let mut round = 0;
    loop {
        round += 1;
        let next = begin_due(&plans, &mut watches, &mut probes, round);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            Some(done) = probes.join_next() => {
                // A probe that panicked is asked again at its time.
                if let Ok((plan, member, probe)) = done
                    && let Some(watch) = watches.get_mut(&member.id)
                {
                    judge(&plan, &member, &probe, watch);
                }
            }
        }
    }
}

/// Begins the questions that are due, and says when to look again.
fn begin_due(
    plans: &Plans,
    watches: &mut HashMap<u64, Watch>,
    probes: &mut JoinSet<(Arc<UpstreamPlan>, Arc<Member>, Probe)>,
    round: u64,
) -> Instant {
    let now = Instant::now();
    let mut next = now + LOOK;
    for plan in &plans.get().upstreams {
        let Some(health) = &plan.health else { continue };
        for member in plan.state.members().iter() {
            let watch = watches.entry(member.id).or_insert_with(|| Watch {
                due: now,
                asking: false,
                good: 0,
                bad: 0,
                seen: round,
            });
            watch.seen = round;
            if watch.asking {
                continue;
            }
            if watch.due > now {
                next = next.min(watch.due);
                continue;
            }
            if probes.len() >= MOST_PROBES {
                continue;
            }
            watch.asking = true;
            watch.due = now + jittered(health.interval.duration());
            let (plan, member, health) = (Arc::clone(plan), Arc::clone(member), health.clone());
            probes.spawn(async move {
                let outcome = probe(&member.spec.target, &health).await;
                (plan, member, outcome)
            });
        }
    }
    watches.retain(|_, watch| watch.seen == round);
    next
}

/// A tenth more or less.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.9..1.1))
}

fn judge(plan: &UpstreamPlan, member: &Member, probe: &Probe, watch: &mut Watch) {
    watch.asking = false;
    let Some(health) = &plan.health else { return };
    if probe.good {
        watch.good = watch.good.saturating_add(1);
        watch.bad = 0;
    } else {
        watch.bad = watch.bad.saturating_add(1);
        watch.good = 0;
    }
    let now = match member.health() {
        // What is not known is known after one good answer: nobody was warned of it before.
        Health::Unknown if probe.good => Health::Up,
        Health::Down if watch.good >= health.passes => Health::Up,
        Health::Unknown | Health::Up if watch.bad >= health.fails => Health::Down,
        same => same,
    };
    if !member.set_health(now) {
        return;
    }
    plan.state.wake();
    let (name, target) = (&plan.name, &member.spec.target);
    if now == Health::Down {
        tracing::warn!(
            upstream.name = name,
            upstream.target = %target,
            health.answer = %probe,
            "`{target}` of upstream `{name}` is down: {probe}"
        );
    } else {
        tracing::info!(
            upstream.name = name,
            upstream.target = %target,
            "`{target}` of upstream `{name}` is up"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Problems;
    use crate::settings::{HealthSettings, List, UpstreamSettings};

    fn asked(answers: &[bool]) -> Health {
        let settings = UpstreamSettings {
            targets: List(vec!["127.0.0.1:1".to_owned().into()]),
            health: Some(HealthSettings {
                passes: 2,
                fails: 2,
                ..HealthSettings::default()
            }),
            ..UpstreamSettings::default()
        };
        let plan = UpstreamPlan::new("app", &settings, false, &mut Problems::default());
        let member = Arc::clone(&plan.state.members()[0]);
        let mut watch = Watch {
            due: Instant::now(),
            asking: true,
            good: 0,
            bad: 0,
            seen: 0,
        };
        for good in answers {
            let probe = Probe {
                good: *good,
                status: None,
                detail: String::new(),
                took_ms: 0,
            };
            judge(&plan, &member, &probe, &mut watch);
        }
        member.health()
    }

    #[test]
    fn so_many_answers_in_a_row_change_a_targets_health() {
        for (answers, health) in [
            (&[][..], Health::Unknown),
            (&[true], Health::Up),
            (&[false], Health::Unknown),
            (&[true, false], Health::Up),
            (&[true, false, true, false], Health::Up),
            (&[true, false, false], Health::Down),
            (&[false, false, true], Health::Down),
            (&[false, false, true, true], Health::Up),
        ] {
            assert_eq!(asked(answers), health, "{answers:?}");
        }
    }
}
