//! A stack that is up: started, watched over, rolled, stopped.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::backoff::Backoff;
use super::change::Change;
use super::plan::Plan;
use super::rebuild::Rebuild;
use super::{Databases, PURPOSE};
use crate::console::{Console, complain};
use crate::process::{Service, succeed};
use crate::services::Place;
use crate::stack::{Component, Programs, Stack};

/// How often everything is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a process that was replaced may take to finish its work.
const DRAIN: Duration = Duration::from_secs(45);

/// What runs. Fields are dropped in this order.
#[derive(Debug)]
pub(super) struct Session {
    running: Vec<Running>,
    draining: Vec<(Service, Instant)>,
    stack: Stack,
    databases: Databases,
    console: Console,
    // Last: the sockets' directory goes with it.
    place: Place,
}

/// One component and what became of it.
#[derive(Debug)]
struct Running {
    component: Component,
    service: Option<Service>,
    backoff: Backoff,
}

impl Session {
    /// A session of `stack`, with no component started.
    pub(super) fn new(stack: Stack, databases: Databases, place: Place, console: Console) -> Self {
        Self {
            running: Vec::new(),
            draining: Vec::new(),
            stack,
            databases,
            console,
            place,
        }
    }

    /// What must be right before anything starts: settings and the database's schema.
    pub(super) fn prepare(&self) -> Result<()> {
        let programs = self.stack.programs.clone();
        self.check(&programs)?;
        self.migrate(&programs)
    }

    /// Starts all components, each when the one before is ready.
    pub(super) fn start_all(&mut self) -> Result<()> {
        for component in Component::STARTING {
            let service = self.stack.start(component).inspect_err(|_| {
                // Its own words come first.
                self.console.flush();
            })?;
            self.running.push(Running {
                component,
                service: Some(service),
                backoff: Backoff::new(),
            });
        }
        Ok(())
    }

    /// Says where everything is.
    pub(super) fn greet(&self, took: Duration) -> Result<()> {
        let sockets = &self.stack.sockets;
        let url = self.stack.url()?;
        for line in [
            format!("up after {:.1} s", took.as_secs_f64()),
            format!("site       {url}"),
            format!("           https://{}", sockets.https_address()?),
            format!("mail       {url}/mail"),
            format!("authority  {}", self.shown(&self.stack.authority())),
            format!(
                "data       {}",
                self.shown(&self.place.checkout.state(PURPOSE)?)
            ),
            "Ctrl-C stops everything".to_owned(),
        ] {
            self.console.line(PURPOSE, &line);
        }
        Ok(())
    }

    /// Watches over everything until the end is asked for.
    pub(super) fn keep_up(&mut self, mut rebuild: Rebuild) -> Result<()> {
        while !self.place.interrupt.asked() {
            self.databases.revive(&self.place, &self.console)?;
            for index in 0..self.running.len() {
                self.revive(index)?;
            }
            self.sweep();
            if let Some(change) = rebuild.poll(&self.place, &self.console)? {
                self.roll(&mut rebuild, change)?;
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Stops everything in order; nothing is left running.
    pub(super) fn stop(&mut self) {
        self.say("stopping");
        self.stack.sockets.close_fronts();
        for component in Component::STOPPING {
            for running in &mut self.running {
                if running.component == component
                    && let Some(mut service) = running.service.take()
                {
                    end(&mut service, &self.console);
                }
            }
        }
        for (service, _) in &mut self.draining {
            end(service, &self.console);
        }
        self.draining.clear();
        for service in self.databases.services() {
            end(service, &self.console);
        }
        self.say("stopped");
    }

    fn say(&self, text: &str) {
        self.console.line(PURPOSE, text);
    }

    /// A path as one would type it in the checkout.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.place.checkout.root())
            .unwrap_or(path)
            .display()
            .to_string()
    }

    fn check(&self, programs: &Programs) -> Result<()> {
        for program in ["site", "kiuas-proxy"] {
            let mut command = self.stack.command(&programs.program(program), &["check"]);
            // What is right needs no words; what is wrong is said on standard error.
            succeed(command.stdout(Stdio::null()), &self.place.interrupt)?;
        }
        Ok(())
    }

    fn migrate(&self, programs: &Programs) -> Result<()> {
        self.console.flush();
        let mut command = self.stack.command(
            &programs.program("site"),
            &["migrate", "up", "--phase", "all"],
        );
        succeed(&mut command, &self.place.interrupt)
    }

    fn revive(&mut self, index: usize) -> Result<()> {
        let running = &mut self.running[index];
        let name = running.component.name();
        if let Some(status) = running.service.as_mut().and_then(Service::ended) {
            running.service = None;
            let pause = running.backoff.died();
            let text = format!(
                "{name} has ended ({status}); starting it again in {:.1} s",
                pause.as_secs_f64()
            );
            self.console.line(PURPOSE, &text);
            return Ok(());
        }
        if running.service.is_some() || !running.backoff.is_due() {
            return Ok(());
        }
        match self.stack.start(running.component) {
            Ok(service) => {
                running.service = Some(service);
                self.console.line(PURPOSE, &format!("{name} is up again"));
            }
            Err(error) => {
                self.place.interrupt.check()?;
                complain(&error);
                running.backoff.died();
            }
        }
        Ok(())
    }

    /// Lets go of what has finished draining, and ends what takes too long.
    fn sweep(&mut self) {
        self.draining.retain_mut(|(service, since)| {
            if service.ended().is_some() {
                return false;
            }
            // Dropping it ends it.
            since.elapsed() < DRAIN
        });
    }

    /// Puts a build into use. What cannot be used yet is kept for the next build.
    fn roll(&mut self, rebuild: &mut Rebuild, change: Change) -> Result<()> {
        let changed = rebuild.build.changed()?;
        let plan = Plan::new(&changed, &change);
        if plan.is_empty() {
            self.say("built; nothing that runs is touched");
            return Ok(());
        }
        if let Err(error) = self.rehearse(&rebuild.build.fresh(), &plan) {
            self.place.interrupt.check()?;
            complain(&error);
            self.say("the new version is not used; what runs goes on");
            rebuild.keep(change);
            return Ok(());
        }
        for program in &changed {
            rebuild.build.adopt(program)?;
        }
        if plan.touches_nothing() {
            self.say("migrated; nothing that runs is touched");
            return Ok(());
        }
        self.say(&format!("rolling {}", plan.summary()));
        for component in &plan.roll {
            self.signal(*component, Signal::HUP);
        }
        for component in &plan.replace {
            self.replace(*component)?;
        }
        self.say("rolled");
        Ok(())
    }

    /// Everything that can go wrong before the old version is touched.
    fn rehearse(&self, fresh: &Programs, plan: &Plan) -> Result<()> {
        if plan.check {
            self.check(fresh)?;
        }
        if plan.migrate {
            self.migrate(fresh)?;
        }
        Ok(())
    }

    fn signal(&mut self, component: Component, signal: Signal) {
        for running in &mut self.running {
            if running.component == component
                && let Some(service) = &mut running.service
            {
                service.signal(signal);
            }
        }
    }

    /// Starts a new one beside the old; when it is ready, the old one drains.
    fn replace(&mut self, component: Component) -> Result<()> {
        let fresh = match self.stack.start(component) {
            Ok(fresh) => fresh,
            Err(error) => {
                self.place.interrupt.check()?;
                complain(&error);
                self.say(&format!("the old {} goes on", component.name()));
                return Ok(());
            }
        };
        for running in &mut self.running {
            if running.component == component
                && let Some(mut old) = running.service.take()
            {
                old.signal(Signal::TERM);
                self.draining.push((old, Instant::now()));
            }
        }
        self.running
            .retain(|running| running.component != component);
        self.running.push(Running {
            component,
            service: Some(fresh),
            backoff: Backoff::new(),
        });
        Ok(())
    }
}

fn end(service: &mut Service, console: &Console) {
    let name = service.name().to_owned();
    if service.ended().is_none() && !service.stop() {
        console.line(
            PURPOSE,
            &format!("{name} did not end in time and was killed"),
        );
    }
}
