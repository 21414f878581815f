//! Static files, where no proxy serves them.

use actix_files::NamedFile;
use actix_web::web;
use kiuas::web::WebError;

use crate::state::State;

/// `GET /static/{name}`
pub(crate) async fn file(
    state: web::Data<State>,
    path: web::Path<String>,
) -> Result<NamedFile, WebError> {
    let directory = state.settings.static_files.as_ref();
    let directory = directory.filter(|_| is_name(&path));
    let directory = directory.ok_or_else(WebError::not_found)?;
    // A blocking open of a small local file, in development alone.
    let file = NamedFile::open(directory.join(path.as_str()));
    Ok(file.map_err(|_| WebError::not_found())?.prefer_utf8(true))
}

/// A plain name: nothing hidden, and no way out of the directory.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.starts_with('.') && !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_files() {
        assert!(is_name("site.css"));
        for text in ["", ".", "..", ".hidden", "a/b", "../x", "a\0", "a b"] {
            assert!(!is_name(text), "{text}");
        }
    }
}
