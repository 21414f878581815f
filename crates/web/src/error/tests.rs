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
    assert_eq!(error.detail(), None);
}
