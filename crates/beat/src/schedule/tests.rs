use std::error::Error;

use kiuas_queue::{Context, Task, TaskError};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Serialize, Deserialize)]
struct Tidy {
    days: u32,
}

impl Task<()> for Tidy {
    const NAME: &'static str = "test.tidy";
    type Output = ();

    async fn run(self, _: Context<()>) -> Result<(), TaskError> {
        Ok(())
    }
}

fn story(schedule: &Schedule) -> String {
    match schedule.check() {
        Ok(()) => "usable".to_owned(),
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        }
    }
}

#[test]
fn usable_entries_are_accepted() {
    let mut schedule = Schedule::new();
    schedule.every("often", Period::seconds(2), Tidy { days: 1 });
    schedule
        .cron("nightly", "0 3 * * *", "Europe/Helsinki", Tidy { days: 30 })
        .missed(crate::Missed::Skip);
    assert_eq!(story(&schedule), "usable");
    let call = schedule.checked().expect("entries")[1]
        .call()
        .expect("call");
    assert_eq!(
        (call.name.as_str(), &call.kwargs["days"]),
        ("test.tidy", &30.into())
    );
}

#[test]
fn an_unusable_entry_is_named() {
    let mut schedule = Schedule::new();
    schedule.every("often", Period::seconds(2), Tidy { days: 1 });
    schedule.cron("nightly", "0 25 * * *", "UTC", Tidy { days: 1 });
    assert_eq!(
        story(&schedule),
        "entry `nightly` of the schedule is not usable: \
         `0 25 * * *` is no cron expression of five or six fields"
    );
}

#[test]
fn one_name_for_two_entries_is_refused() {
    let mut schedule = Schedule::new();
    schedule.every("twice", Period::seconds(2), Tidy { days: 1 });
    schedule.every("twice", Period::seconds(3), Tidy { days: 1 });
    assert_eq!(
        story(&schedule),
        "entry `twice` of the schedule is not usable: another entry has the same name"
    );
}

#[test]
fn a_name_has_a_length() {
    for name in [String::new(), "n".repeat(201)] {
        let mut schedule = Schedule::new();
        schedule.every(&name, Period::seconds(2), Tidy { days: 1 });
        assert!(
            story(&schedule).contains("empty or longer than 200 bytes"),
            "{name}"
        );
    }
}
