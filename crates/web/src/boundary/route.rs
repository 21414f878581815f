//! Which route a request belongs to, and the measures of it.
//!
//! The pattern of a path is found by asking every route in turn, and a labelled metric by hashing its
//! labels under a lock. Both are remembered here, in a table of fixed size a thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::measure::{Answered, Measures, class, known};

/// Stands for the route of a request that fits none.
const UNMATCHED: &str = "unmatched";
/// Paths that are remembered; a power of two.
const PATHS: usize = 256;
/// Longer ones are not worth their room.
const LONGEST_PATH: usize = 64;

/// A route of the application.
#[derive(Debug)]
pub(super) struct Route {
    /// From the application's source, never a path from outside.
    pub(super) pattern: String,
    durations: Histogram,
}

/// A path and the route that it leads to.
type Known = Option<(String, Rc<Route>)>;

/// What a thread remembers of routes.
#[derive(Debug)]
pub(super) struct Routes {
    measures: Measures,
    /// By the hash of the path.
    paths: RefCell<Vec<Known>>,
    /// As many as the application has.
    routes: RefCell<HashMap<String, Rc<Route>>>,
    /// By method and class of status; both are small sets.
    answers: RefCell<Vec<(Answered, Counter)>>,
}

impl Routes {
    pub(super) fn new(measures: Measures) -> Self {
        Self {
            measures,
            paths: RefCell::new(std::iter::repeat_with(|| None).take(PATHS).collect()),
            routes: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    /// The route that will answer `request`.
    pub(super) fn find(&self, request: &ServiceRequest) -> Rc<Route> {
        let path = request.path();
        let mut paths = self.paths.borrow_mut();
        let Some(place) = paths.get_mut(hash(path) % PATHS) else {
            return self.ask(request);
        };
        match place {
            Some((known, route)) if known == path => Rc::clone(route),
            _ => {
                let route = self.ask(request);
                if path.len() <= LONGEST_PATH {
                    *place = Some((path.to_owned(), Rc::clone(&route)));
                }
                route
            }
        }
    }

    fn ask(&self, request: &ServiceRequest) -> Rc<Route> {
        let pattern = request
            .match_pattern()
            .unwrap_or_else(|| UNMATCHED.to_owned());
        let mut routes = self.routes.borrow_mut();
        if let Some(route) = routes.get(&pattern) {
            return Rc::clone(route);
        }
        let route = Rc::new(Route {
            durations: self.measures.durations(&pattern),
            pattern: pattern.clone(),
        });
        routes.insert(pattern, Rc::clone(&route));
        route
    }

    /// Counts an answer whose head was complete so long after its request arrived.
    pub(super) fn answered(
        &self,
        method: &Method,
        route: &Route,
        status: StatusCode,
        took: Duration,
    ) {
        route.durations.observe(took.as_secs_f64());
        let answered = Answered {
            method: known(method),
            status: class(status),
        };
        let mut answers = self.answers.borrow_mut();
        match answers.iter().find(|(known, _)| *known == answered) {
            Some((_, counter)) => drop(counter.inc()),
            None => {
                let counter = self.measures.requests(&answered);
                counter.inc();
                answers.push((answered, counter));
            }
        }
    }
}

/// FNV-1a: short, and a collision costs one look-up.
fn hash(path: &str) -> usize {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The upper bits are the better mixed ones.
    usize::try_from(hash >> 48).unwrap_or(0)
}
