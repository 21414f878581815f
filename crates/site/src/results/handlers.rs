//! The WebSocket behind a poll's page.

use actix_web::{HttpRequest, HttpResponse, web};
use kiuas::web::WebError;
use kiuas::web::live;
use uuid::Uuid;

use super::{channel, current};
use crate::state::State;

/// `GET /polls/{id}/live`: the results now, and again whenever they change.
pub(crate) async fn watch(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<State>,
    path: web::Path<Uuid>,
) -> Result<HttpResponse, actix_web::Error> {
    let poll = path.into_inner();
    // A poll that is not there is a 404 and no socket.
    current(&state, poll).await?;
    let snapshot = async move || -> Result<String, WebError> {
        Ok(serde_json::to_string(&current(&state, poll).await?)?)
    };
    live::socket(&request, body, &channel(poll), snapshot)
}
