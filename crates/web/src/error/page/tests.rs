use actix_web::http::StatusCode;
use proptest::prelude::*;

use super::*;

fn accepted(accept: &str) -> Form {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_str(accept).expect("header"));
    Form::accepted(&headers)
}

#[test]
fn the_form_follows_what_the_visitor_accepts() {
    let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    for (accept, form) in [
        (chromium, Form::Html),
        ("application/json", Form::Json),
        ("application/json, text/html;q=0.5", Form::Json),
        ("application/json;q=0.1, text/html;q=0.5", Form::Html),
        ("text/html;q=0, application/json;q=0.1", Form::Json),
        ("*/*", Form::Text),
        ("image/png", Form::Text),
    ] {
        assert_eq!(accepted(accept), form, "{accept}");
    }
}

#[test]
fn a_page_shows_no_markup_of_strangers() {
    let problem = Problem {
        status: StatusCode::BAD_REQUEST,
        detail: Some("<script>alert('x')</script>".to_owned()),
        request_id: "\"><b>".to_owned(),
    };
    let (_, page) = render(&problem, Form::Html, None);
    assert!(
        !page.contains("<script>") && !page.contains("<b>"),
        "{page}"
    );
}

#[test]
fn an_application_may_bring_its_own_page() {
    let problem = Problem {
        status: StatusCode::NOT_FOUND,
        detail: None,
        request_id: "7".to_owned(),
    };
    let own = ErrorPage::new(|problem| format!("ours {}", problem.status.as_u16()));
    assert_eq!(render(&problem, Form::Html, Some(&own)).1, "ours 404");
    assert!(
        render(&problem, Form::Json, Some(&own))
            .1
            .contains("\"request_id\":\"7\"")
    );
}

proptest! {
    #[test]
    fn any_accept_header_gets_some_form(accept in "[ -~]{0,200}") {
        let form = accepted(&accept);
        prop_assert!(matches!(form, Form::Html | Form::Json | Form::Text));
    }
}
