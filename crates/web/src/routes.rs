//! The routes of an application as a list, for `site routes`.

use actix_http::Request;
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::dev::AppConfig;
use actix_web::introspection::{IntrospectionNode, IntrospectionTree, ResourceType};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use serde::Serialize;

use crate::server::Configure;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Route {
    /// Pattern of its path.
    pub path: String,
    /// Methods it answers; empty if it answers all.
    pub methods: Vec<String>,
}

/// The routes that `configure` adds, sorted by path; `None` if the application cannot be built. No
/// handler runs.
pub async fn list(configure: Configure) -> Option<Vec<Route>> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let app = App::new()
        .configure(|config| configure(config))
        // Asked for below, and by nobody else: this application never sees a socket.
        .default_service(web::to(move |request: HttpRequest| {
            if let Some(tree) = request.app_data::<Data<IntrospectionTree>>() {
                drop(sender.try_send(flatten(&tree.root)));
            }
            std::future::ready(HttpResponse::NotFound().finish())
        }));
    let service = map_config(app, |()| AppConfig::default())
        .new_service(())
        .await
        .ok()?;
    let mut request = Request::new();
    request.head_mut().uri = actix_web::http::Uri::from_static("/.kiuas/routes");
    drop(service.call(request).await);
    receiver.try_recv().ok()
}

fn flatten(root: &IntrospectionNode) -> Vec<Route> {
    let mut routes = Vec::new();
    collect(root, &mut routes);
    routes.sort();
    routes
}

fn collect(node: &IntrospectionNode, routes: &mut Vec<Route>) {
    if matches!(node.kind, ResourceType::Resource) {
        let mut methods: Vec<String> = node.methods.iter().map(ToString::to_string).collect();
        methods.sort();
        methods.dedup();
        routes.push(Route {
            path: node.full_path.clone(),
            methods,
        });
    }
    for child in &node.children {
        collect(child, routes);
    }
}

#[cfg(test)]
mod tests;
