//! What one serving thread owns, and what its connections share.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use kiuas_common::Shutdown;
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLog;
use crate::cache::Cache;
use crate::compress::Compressor;
use crate::files;
use crate::maintenance::ClosedSites;
use crate::meter::{Cells, Meter};
use crate::plan::{Plan, Plans, Site};
use crate::protection::Protection;
use crate::pulse::Sweeper;
use crate::server::Places;
use crate::tls::Tls;
use crate::tunnel::Tunnels;
use crate::upstream::Upstream;

/// What all threads share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The settings, made; swapped by a reload.
    pub plans: Arc<Plans>,
    /// The response cache.
    pub cache: Arc<Cache>,
    /// The metrics.
    pub meter: Meter,
    /// Sites that are being worked on.
    pub closed_sites: Arc<ClosedSites>,
    /// The end.
    pub shutdown: Shutdown,
    /// Open WebSockets.
    pub tunnels: Tunnels,
    /// Another process accepts from our listening sockets now (an upgrade).
    pub handed_over: CancellationToken,
    /// Places for visitors' connections.
    pub places: Arc<Places>,
    /// What speaks TLS on the HTTPS listeners, if there are any.
    pub tls: Arc<ArcSwapOption<Tls>>,
    /// Buckets and counters that protect the sites.
    pub protection: Arc<Protection>,
    /// Spans are exported: make them.
    pub traces: bool,
}

/// One thread's part.
#[derive(Debug)]
pub struct Worker {
    /// What all threads share.
    pub shared: Shared,
    /// Watches this thread's connections.
    pub sweeper: Rc<Sweeper>,
    generation: Cell<u64>,
    current: RefCell<Rc<ThreadPlan>>,
}

impl Worker {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        let (generation, plan) = shared.plans.current();
        let current = ThreadPlan::new(plan, None, &shared.meter);
        Self {
            shared,
            sweeper: Rc::default(),
            generation: Cell::new(generation),
            current: RefCell::new(Rc::new(current)),
        }
    }

    /// The plan in force. A request asks once, at its start, and keeps what it got: a reload changes
    /// nothing for it. Costs the look at a number that is rarely written.
    #[must_use]
    pub fn plan(&self) -> Rc<ThreadPlan> {
        if self.generation.get() != self.shared.plans.generation() {
            self.renew();
        }
        Rc::clone(&self.current.borrow())
    }

    #[cold]
    fn renew(&self) {
        let (generation, plan) = self.shared.plans.current();
        let old = Rc::clone(&self.current.borrow());
        let new = ThreadPlan::new(plan, Some(&old), &self.shared.meter);
        self.current.replace(Rc::new(new));
        self.generation.set(generation);
    }
}

/// A plan with what this thread has of its upstreams.
#[derive(Debug)]
pub struct ThreadPlan {
    plan: Arc<Plan>,
    /// The hot files.
    pub files: files::Table,
    /// What answers are compressed with.
    pub compressor: Compressor,
    /// In the plan's order.
    pub upstreams: Vec<Rc<Upstream>>,
    /// This thread's end of the access log; none if it is off.
    pub log: Option<Rc<AccessLog>>,
    /// This thread's figures of each site, in the plan's order.
    cells: Vec<Arc<Cells>>,
}

impl ThreadPlan {
    /// Upstreams that the new plan has taken over unchanged keep their connections.
    fn new(plan: Arc<Plan>, old: Option<&Self>, meter: &Meter) -> Self {
        let kept = old.map_or(&[][..], |old| &old.upstreams);
        let upstreams = plan
            .upstreams
            .iter()
            .map(|wanted| {
                kept.iter()
                    .find(|one| one.is_of(wanted))
                    .map_or_else(|| Rc::new(Upstream::new(wanted, meter)), Rc::clone)
            })
            .collect();
        let files = files::Table::new(plan.hot_files);
        let names = plan.sites.all().iter().map(|site| site.name.as_str());
        let cells = names.map(|name| meter.sites.here(name)).collect();
        let log = AccessLog::new(&plan, old.and_then(|old| old.log.as_ref()));
        Self {
            plan,
            files,
            compressor: Compressor::default(),
            upstreams,
            log,
            cells,
        }
    }

    /// This thread's figures of `site`.
    #[must_use]
    pub fn cells_of(&self, site: &Site) -> Option<Arc<Cells>> {
        self.cells.get(site.number).map(Arc::clone)
    }

    /// The plan as all threads share it, for what leaves this thread.
    #[must_use]
    pub fn shared(&self) -> &Arc<Plan> {
        &self.plan
    }
}

impl Deref for ThreadPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}
