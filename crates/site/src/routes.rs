//! Every address of the site, and the page of an error.

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, get, post, resource, scope};
use askama::Template;
use kiuas::web::error::{ErrorPage, Problem};

use crate::author::handlers as author;
use crate::files;
use crate::mail::catcher::handlers as mail;
use crate::poll::handlers as poll;
use crate::poll::handlers::author as own;
use crate::results::handlers as results;
use crate::visit::Page;
use crate::vote::handlers as vote;

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(ErrorPage::new(error_page))
        .route("/", get().to(poll::list))
        .service(
            resource("/sign-up")
                .get(author::sign_up_form)
                .post(author::sign_up),
        )
        .service(
            resource("/sign-in")
                .get(author::sign_in_form)
                .post(author::sign_in),
        )
        .route("/sign-out", post().to(author::sign_out))
        .service(
            scope("/polls")
                .service(resource("/new").get(own::new_form).post(own::create))
                .route("/mine", get().to(poll::mine))
                .route("/{id}", get().to(poll::show))
                .service(resource("/{id}/edit").get(own::edit_form).post(own::edit))
                .route("/{id}/close", post().to(own::close))
                .route("/{id}/vote", post().to(vote::cast))
                .route("/{id}/live", get().to(results::watch)),
        )
        .route("/static/{name}", get().to(files::file))
        .route("/mail", get().to(mail::list))
        .route("/mail/{id}", get().to(mail::show));
}

#[derive(Template)]
#[template(path = "error.html")]
struct Error<'a> {
    page: Page,
    title: &'static str,
    explanation: &'a str,
    request_id: &'a str,
}

fn error_page(problem: &Problem) -> String {
    let (title, usual) = words(problem.status);
    let error = Error {
        page: Page::anonymous(),
        title,
        explanation: problem.detail.as_deref().unwrap_or(usual),
        request_id: &problem.request_id,
    };
    // The template cannot fail: it writes text into memory.
    error.render().unwrap_or_else(|_| title.to_owned())
}

/// A heading and a sentence for what has no sentence of its own.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        403 => ("Not allowed", "You may not do this."),
        404 => ("Not found", "There is no such page."),
        409 => ("Not possible now", "Something else has happened meanwhile."),
        413 => ("Too large", "What you sent is too large."),
        429 => ("Too fast", "Please wait a little and try again."),
        503 | 504 => ("Busy", "This took too long. Please try again."),
        500..=599 => (
            "Something went wrong",
            "The mistake is ours and has been noted. Please try again later.",
        ),
        _ => ("Not understood", "The request could not be understood."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_escapes_what_it_shows() {
        let page = error_page(&Problem {
            status: StatusCode::BAD_REQUEST,
            detail: Some("<script>".to_owned()),
            request_id: "1".to_owned(),
        });
        assert!(page.contains("&#60;script&#62;"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }
}
