use super::*;

#[test]
fn an_unknown_error_is_a_500_that_keeps_its_causes_for_the_log() {
    let fail = || -> Result<(), WebError> {
        Err(std::io::Error::other(std::fmt::Error))?;
        Ok(())
    };
    let error = fail().expect_err("error");
    assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(error.to_string().contains("formatting"), "{error}");
    assert!(
        error
            .error_response()
            .extensions()
            .get::<Detail>()
            .is_none()
    );
}

#[test]
fn a_detail_reaches_the_answer() {
    let response = WebError::conflict("already voted").error_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(
        response
            .extensions()
            .get::<Detail>()
            .map(|detail| detail.0.clone()),
        Some("already voted".to_owned())
    );
}
