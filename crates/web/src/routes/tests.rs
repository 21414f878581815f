use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;

use super::*;

fn configure(config: &mut ServiceConfig) {
    async fn nothing() -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    config
        .route("/", web::get().to(nothing))
        .service(web::resource("/sign-in").get(nothing).post(nothing))
        .service(web::scope("/polls").route("/{id}", web::get().to(nothing)));
}

#[tokio::test]
async fn every_route_is_listed_with_its_methods() {
    let routes = list(Arc::new(configure)).await.expect("routes");
    let lines: Vec<String> = routes
        .iter()
        .map(|route| format!("{} {}", route.methods.join(","), route.path))
        .collect();
    assert_eq!(lines, ["GET /", "GET /polls/{id}", "GET,POST /sign-in"]);
}
