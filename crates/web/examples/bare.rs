//! actix-web alone, as its documentation starts it: what our child is measured against.
//!
//! `bare THREADS ADDRESS` listens itself; `bare THREADS` takes the sockets that a pool hands over and
//! ends on SIGTERM by actix-server's own `stop(true)`.

#[path = "shared/routes.rs"]
mod routes;

use actix_web::{App, HttpServer};
use anyhow::Context as _;
use kiuas_common::listener::{Listener, inherited};
use kiuas_common::notify;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    notify::follow_parent()?;
    routes::start_slowly();
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().context("say how many threads")?.parse()?;
    let mut server = HttpServer::new(|| App::new().configure(routes::routes)).workers(threads);
    match arguments.next() {
        Some(address) => server = server.bind(address)?,
        None => {
            for inherited in inherited()? {
                server = match inherited.listener {
                    Listener::Tcp(listener) => server.listen(listener)?,
                    Listener::Unix(listener) => server.listen_uds(listener)?,
                };
            }
        }
    }
    let server = server.run();
    notify::ready();
    server.await?;
    Ok(())
}
