//! Revoked tasks do not run, whoever hears of it when.

use kiuas_queue::State;

use crate::setup::{Setup, eventually};
use crate::tasks::{Hold, Note};

#[tokio::test]
async fn a_worker_that_starts_later_does_not_run_what_was_revoked() {
    for setup in Setup::on_servers() {
        let text = "ran".to_owned();
        let revoked = setup.send(&Note { text }).await;
        let told = setup
            .queue
            .revoke(std::slice::from_ref(&revoked), false)
            .await;
        told.expect("told");
        let worker = setup.worker();
        let meta = setup.wait(&revoked).await;
        assert_eq!(meta.status, State::Revoked);
        assert_eq!(meta.result["exc_type"], "TaskRevokedError");
        assert!(setup.state.log().is_empty());
        worker.stop().await;
    }
}

#[tokio::test]
async fn only_the_revoked_task_is_stopped() {
    for setup in Setup::on_servers() {
        let worker = setup.worker();
        let hold = |name: &str| Hold {
            name: name.to_owned(),
        };
        let (stopped, other) = (hold("stopped"), hold("other"));
        let (stopped, other) = (setup.send(&stopped).await, setup.send(&other).await);
        eventually("both run", async || setup.state.log().len() == 2).await;
        // The worker may not hear yet; who tells it once more does no harm.
        eventually("it is stopped", async || {
            let told = setup
                .queue
                .revoke(std::slice::from_ref(&stopped), true)
                .await;
            told.expect("told");
            let meta = setup.queue.result(&stopped).await.expect("an answer");
            meta.is_some_and(|meta| meta.status == State::Revoked)
        })
        .await;
        setup.state.release.notify_one();
        assert_eq!(setup.wait(&other).await.status, State::Success);
        let log = setup.state.log();
        assert_eq!(log.last().map(String::as_str), Some("ended other"));
        worker.stop().await;
    }
}
