//! What every broker promises, written once and held against each of them.

mod claiming;
mod ending;
mod failing;
mod waiting;

use std::time::Instant;

use kiuas_queue::AnyBroker;
use kiuas_queue::broker::{Broker, Delivery, Finish};
use kiuas_queue::{ResultMeta, State, TaskId};
use serde_json::json;

use crate::setup::{PATIENCE, call};
use crate::stage::Stage;

/// Makes a test for each broker of each promise that is listed.
macro_rules! promises {
    ($($group:ident :: { $($promise:ident),+ $(,)? })+) => {
        promises!(@broker rabbitmq, crate::amqp::OnClassic, $($group :: { $($promise),+ })+);
        promises!(@broker redis, crate::stage::OnRedis, $($group :: { $($promise),+ })+);
        promises!(@broker memory, crate::stage::InMemory, $($group :: { $($promise),+ })+);
    };
    (@broker $broker:ident, $stage:path, $($group:ident :: { $($promise:ident),+ })+) => {
        mod $broker {
            $($(
                #[tokio::test]
                async fn $promise() {
                    if !<$stage as crate::stage::Stage>::is_there() {
                        return;
                    }
                    super::$group::$promise::<$stage>().await;
                }
            )+)+
        }
    };
}

// Quorum queues have no priorities, and keep no order among what is given back and what is not;
// everything that they do otherwise is here.
promises!(@broker rabbitmq_quorum, crate::amqp::OnQuorum,
    claiming::{
        a_claim_brings_the_oldest_first_and_no_more_than_asked,
        what_was_fetched_ahead_goes_to_others
    }
    ending::{ an_end_counts_once, a_task_that_is_given_up_is_a_dead_letter }
    waiting::{ a_task_sent_for_later_is_not_due_before }
    failing::{
        a_dead_workers_task_comes_back_first_and_marked,
        a_stale_holders_end_is_refused,
        a_task_that_kills_its_workers_becomes_a_dead_letter,
        after_an_interruption_everything_is_there
    }
);

promises! {
    claiming::{
        a_claim_brings_the_oldest_first_and_no_more_than_asked,
        a_lower_priority_number_is_served_first,
        no_queue_waits_for_another_to_be_empty,
        an_idle_consumer_is_woken,
        what_is_no_task_is_put_aside_and_stops_nobody,
        what_was_fetched_ahead_goes_to_others,
        an_expired_task_is_delivered_so_that_its_end_can_be_told,
        a_message_that_is_too_long_is_refused,
    }
    ending::{
        an_end_counts_once,
        what_follows_a_task_is_sent_in_order,
        a_task_to_be_tried_again_comes_back_when_it_is_due,
        a_task_that_is_given_up_is_a_dead_letter,
        a_success_is_not_overwritten,
        a_wait_ends_with_the_final_result_only,
        dependents_of_a_failed_task_get_their_ends,
    }
    waiting::{
        a_deferred_task_comes_back_when_it_is_due,
        a_task_sent_for_later_is_not_due_before,
        a_deferred_task_keeps_its_priority,
        what_is_due_sooner_comes_sooner,
    }
    failing::{
        a_living_workers_tasks_are_left_alone,
        a_dead_workers_task_comes_back_first_and_marked,
        a_stale_holders_end_is_refused,
        a_heartbeat_tells_what_was_lost,
        a_task_that_kills_its_workers_becomes_a_dead_letter,
        a_released_task_is_next_again,
        after_an_interruption_everything_is_there,
    }
}

async fn send<S: Stage>(stage: &S, number: i64) -> TaskId {
    let sent = stage.queue().send_call(call(number)).await;
    sent.expect("a sent task")
}

/// Claims until there are `count`: what a broker sends takes its time.
async fn take(consumer: &AnyBroker, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    let begin = Instant::now();
    while taken.len() < count {
        assert!(begin.elapsed() < PATIENCE, "never came: {count} tasks");
        let missing = count - taken.len();
        let claimed = consumer.claim(missing).await.expect("a claim").deliveries;
        assert!(claimed.len() <= missing, "more than asked");
        if claimed.is_empty() {
            consumer.move_due().await.expect("an answer");
            let pause = std::time::Duration::from_millis(20);
            consumer.wait(pause).await.expect("a wait");
        }
        taken.extend(claimed);
    }
    taken
}

/// The same with what `sweeper` restores meanwhile.
async fn take_restored(consumer: &AnyBroker, sweeper: &AnyBroker) -> Delivery {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < PATIENCE, "nothing was restored");
        sweeper.sweep().await.expect("a sweep");
        // Trouble passes: a connection that was lost is made anew.
        let claimed = consumer.claim(1).await.unwrap_or_default();
        if let Some(delivery) = claimed.deliveries.into_iter().next() {
            return delivery;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn is_empty(consumer: &AnyBroker) -> bool {
    // Long enough for a broker that sends by itself.
    let pause = std::time::Duration::from_millis(100);
    consumer.wait(pause).await.expect("a wait");
    consumer
        .claim(1)
        .await
        .expect("a claim")
        .deliveries
        .is_empty()
}

fn success(id: &TaskId, value: i64) -> Finish {
    Finish {
        result: Some(ResultMeta::new(id.clone(), State::Success, json!(value))),
        ..Finish::default()
    }
}
