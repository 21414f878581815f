//! `beat`: sends tasks by the clock.

use kiuas_beat::{Beat, BeatSettings, Schedule};
use kiuas_common::Settings;

use crate::Application;
use crate::process::{Process, small_runtime};

pub(super) fn run<A: Application>(settings: Settings) -> anyhow::Result<()> {
    let beat: BeatSettings = settings.section("beat")?;
    let mut schedule = Schedule::new();
    A::schedule(&mut schedule);
    schedule.check()?;
    let process = Process::start(settings, A::NAME, "beat")?;
    process.run(&small_runtime()?, async move |process| {
        let Some(resources) = process.resources().await? else {
            return Ok(());
        };
        let beat = Beat::new(
            beat,
            resources.postgres,
            resources.queue,
            &schedule,
            process.metrics.clone(),
        )?;
        // It serves its admin listener itself.
        beat.run(process.shutdown.clone()).await?;
        Ok(())
    })
}
