//! `ctl certs`: the certificates in force.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};
use crate::tls::{CertificateReport, OcspReport};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl certs
  kiuas-proxy ctl certs --json")]
pub struct Certs {}

/// The certificates in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// By their first names; none without a listener for HTTPS.
    pub certificates: Vec<CertificateReport>,
}

impl Run for Certs {
    const NAME: &'static str = "certs";
    type Answer = Answer;

    async fn run(self, context: &Context) -> Result<Answer, VerbError> {
        let tls = context.shared.tls.load();
        let certificates = tls.as_ref().map(|tls| tls.report()).unwrap_or_default();
        Ok(Answer { certificates })
    }

    fn human(answer: &Answer) -> String {
        if answer.certificates.is_empty() {
            return "no certificate: nothing listens for HTTPS\n".to_owned();
        }
        let now = Timestamp::now();
        answer
            .certificates
            .iter()
            .map(|one| block(one, now))
            .collect()
    }
}

fn block(one: &CertificateReport, now: Timestamp) -> String {
    let days = one.not_after.duration_since(now).as_hours() / 24;
    let mut text = format!(
        "{}\n  from     {}{}\n  issuer   {}\n  expires  {} ({days} days)\n  ocsp     {}\n",
        one.names.join(", "),
        one.source,
        if one.placeholder {
            ", a placeholder until it is ordered"
        } else {
            ""
        },
        one.issuer,
        one.not_after,
        ocsp(&one.ocsp),
    );
    if let Some(renewal) = one.next_renewal {
        text.push_str(&format!("  renewal  {renewal}\n"));
    }
    if let Some(error) = &one.last_error {
        text.push_str(&format!("  error    {error}\n"));
    }
    text
}

fn ocsp(report: &OcspReport) -> String {
    match report {
        OcspReport::None => "not used".to_owned(),
        OcspReport::Good { until: Some(until) } => format!("good until {until}"),
        OcspReport::Good { until: None } => "good".to_owned(),
        OcspReport::Missing { must_staple: true } => {
            "missing, and browsers insist on it (must-staple)".to_owned()
        }
        OcspReport::Missing { must_staple: false } => "missing".to_owned(),
    }
}
