//! The trait that an application implements.

use actix_web::web::ServiceConfig;
use kiuas_common::Settings;
use kiuas_migrate::MigrationSet;
use kiuas_queue::Registry;

use crate::Schedule;
use crate::resources::Resources;

/// An application. Only [`Application::state`] and [`Application::routes`] must be written.
pub trait Application: 'static {
    /// Short name, lower case: of log lines, spans (`<NAME>-web`), database connections.
    const NAME: &'static str;

    /// What handlers (as `web::Data<State>`) and tasks (as `ctx.state`) receive.
    type State: Send + Sync + 'static;

    /// Makes the state, once a process. PostgreSQL and Redis answer by then.
    ///
    /// # Errors
    /// Whatever keeps the process from starting; it is printed with its causes.
    fn state(resources: &Resources) -> impl Future<Output = anyhow::Result<Self::State>>;

    /// Adds the routes. Runs once in every thread.
    fn routes(config: &mut ServiceConfig);

    /// Adds the tasks that workers run: `registry.add::<SendWelcome>()`. The default adds none.
    fn tasks(_registry: &mut Registry<Self::State>) {}

    /// Adds what beat sends by the clock. The default adds nothing.
    fn schedule(_schedule: &mut Schedule) {}

    /// The application's migration files, a set for each history, in the order in which they are
    /// applied. The default is an application without tables.
    #[must_use]
    fn migrations() -> Vec<MigrationSet> {
        Vec::new()
    }

    /// Checks the application's own settings for `check`, as [`Application::state`] would read them.
    /// The default accepts everything.
    ///
    /// # Errors
    /// A setting is wrong.
    fn check(_settings: &Settings) -> anyhow::Result<()> {
        Ok(())
    }
}
