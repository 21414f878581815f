//! Times as people read and write them here: UTC, to the second.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads what `<input type="datetime-local">` sends (`2026-11-23T15:00` or with seconds), as UTC.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let local: DateTime = text.trim().parse().ok()?;
    local
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Writes what `<input type="datetime-local">` reads.
pub(crate) fn write(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Writes a moment for eyes: `23 Nov 2026, 15:00:13 UTC`.
pub(crate) fn show(moment: &Timestamp) -> String {
    moment.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let moment = "2026-11-23T15:00:13Z".parse().expect("timestamp");
        assert_eq!(write(moment), "2026-11-23T15:00:13");
        assert_eq!(read(&write(moment)), Some(moment));
        assert_eq!(
            read("2026-11-23T15:00"),
            "2026-11-23T15:00:00Z".parse().ok()
        );
        assert_eq!(show(&moment), "23 Nov 2026, 15:00:13 UTC");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "tomorrow", "2026-13-01T00:00", "2026-11-23T25:00"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
