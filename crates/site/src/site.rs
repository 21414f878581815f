//! What Kiuas has to know of this application: everything it runs begins here.

use actix_web::web::ServiceConfig;
use kiuas::common::{Period, Settings};
use kiuas::queue::Registry;
use kiuas::{Application, MigrationSet, Resources, Schedule};

use crate::author::password::Passwords;
use crate::demo;
use crate::mail::Mailer;
use crate::poll::tasks::{CloseDue, MailClosed};
use crate::results::tasks::Tally;
use crate::routes;
use crate::settings::AppSettings;
use crate::state::State;

mod embedded {
    //! The files of `migrations/`, put into the binary.
    refinery::embed_migrations!("../../migrations");
}

/// Polls.
pub(crate) struct Site;

impl Application for Site {
    const NAME: &'static str = "site";
    type State = State;

    async fn state(resources: &Resources) -> anyhow::Result<State> {
        let (settings, mailer) = read(&resources.settings)?;
        Ok(State {
            settings,
            postgres: resources.postgres.clone(),
            queue: resources.queue.clone(),
            cache: resources.cache.clone(),
            live: resources.live.clone(),
            passwords: Passwords::new().await?,
            mailer,
            server: resources.environment.is_server(),
        })
    }

    fn routes(config: &mut ServiceConfig) {
        routes::configure(config);
    }

    fn tasks(registry: &mut Registry<State>) {
        registry.add::<CloseDue>();
        registry.add::<MailClosed>();
        registry.add::<Tally>();
        registry.add::<demo::tasks::Add>();
        registry.add::<demo::tasks::Fail>();
        registry.add::<demo::tasks::Sleep>();
    }

    fn schedule(schedule: &mut Schedule) {
        schedule.every("close due polls", Period::seconds(1), CloseDue {});
    }

    fn migrations() -> Vec<MigrationSet> {
        vec![MigrationSet::embedded(
            Self::NAME,
            &embedded::migrations::runner(),
        )]
    }

    fn check(settings: &Settings) -> anyhow::Result<()> {
        read(settings).map(drop)
    }
}

/// What is made of settings alone.
fn read(settings: &Settings) -> anyhow::Result<(AppSettings, Mailer)> {
    let app: AppSettings = settings.section("app")?;
    app.check()?;
    Ok((app, Mailer::new(&settings.section("mail")?)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_migration_file_is_in_the_binary() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        for set in Site::migrations() {
            let complete = set.check_directory(&directory);
            assert!(complete.is_ok(), "{complete:?}");
        }
    }
}
