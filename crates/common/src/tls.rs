//! The one TLS provider of every process: rustls with aws-lc-rs.

/// Makes aws-lc-rs the process's default provider. First line of every `main`: with none installed,
/// rustls panics at its first use when two providers happen to be linked.
pub fn install_provider() {
    // An error means that it is installed already, which is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
