//! `routes`: lists the routes.

use std::sync::Arc;

use anyhow::Context;
use kiuas_web::routes::{self, Route};

use super::print;
use crate::Application;
use crate::process::small_runtime;

pub(super) fn run<A: Application>(json: bool) -> anyhow::Result<()> {
    let routes = small_runtime()?
        .block_on(tokio::task::LocalSet::new().run_until(routes::list(Arc::new(A::routes))))
        .context("the application's routes could not be built")?;
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&routes)?));
    }
    print(&routes.iter().map(line).collect::<String>())
}

fn line(route: &Route) -> String {
    let methods = match route.methods.as_slice() {
        [] => "any".to_owned(),
        methods => methods.join(","),
    };
    format!("{methods:<10} {}\n", route.path)
}
