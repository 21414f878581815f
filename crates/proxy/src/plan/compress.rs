//! How a route's answers are compressed.

use super::check::Problems;
use crate::compress::{Encoding, Levels, Rules};
use crate::settings::{Compress, CompressSettings};

/// The rules of a route: its own setting, else its site's; `None`: nothing is compressed.
pub(super) fn rules(
    key: &str,
    own: Option<&Compress>,
    sites: Option<&Compress>,
    problems: &mut Problems,
) -> Option<Rules> {
    match own.or(sites)? {
        Compress::Plain(false) => None,
        Compress::Plain(true) => make(key, &CompressSettings::default(), problems),
        Compress::With(settings) => make(key, settings, problems),
    }
}

fn make(key: &str, settings: &CompressSettings, problems: &mut Problems) -> Option<Rules> {
    let mut encodings = Vec::new();
    for name in &settings.encodings.0 {
        let known = Encoding::ALL.into_iter().find(|one| one.name() == name);
        match known {
            Some(one) if !encodings.contains(&one) => encodings.push(one),
            Some(_) => {}
            None => problems.add(
                format_args!("{key}.compress.encodings"),
                format!("`{name}` is not known: write `br`, `zstd` or `gzip`"),
            ),
        }
    }
    if encodings.is_empty() {
        problems.add(
            format_args!("{key}.compress.encodings"),
            "none: write `compress = false` to compress nothing",
        );
    }
    for (name, level, least) in [
        ("gzip_level", settings.gzip_level, 1),
        ("br_level", settings.br_level, 0),
        ("zstd_level", settings.zstd_level, 1),
    ] {
        if !(least..=9).contains(&level) {
            problems.add(
                format_args!("{key}.compress.{name}"),
                format!("{level} is no level: write {least} to 9"),
            );
        }
    }
    let types = settings.types.0.iter().map(|one| one.to_ascii_lowercase());
    let types: Vec<String> = types.collect();
    if let Some(wrong) = types
        .iter()
        .find(|one| !one.contains('/') || one.contains(';'))
    {
        problems.add(
            format_args!("{key}.compress.types"),
            format!("`{wrong}` is no media type: write `text/html` or `text/*`"),
        );
    }
    Some(Rules {
        encodings,
        types,
        minimum: settings.minimum.0,
        levels: Levels {
            gzip: settings.gzip_level,
            br: settings.br_level,
            zstd: i32::try_from(settings.zstd_level).unwrap_or(3),
        },
    })
}
