//! What `apt-cache policy` says.

/// The packages that can be installed: those with a candidate version. Packages that apt has never
/// heard of do not appear at all; purely virtual ones have the candidate `(none)`.
pub(crate) fn candidates(policy: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut package = None;
    for line in policy.lines() {
        if !line.starts_with(' ') {
            package = line.strip_suffix(':');
        } else if let (Some(name), Some(version)) =
            (package, line.trim().strip_prefix("Candidate: "))
            && version != "(none)"
        {
            found.push(name);
        }
    }
    found
}
