//! One order from its names to its certificate (RFC 8555 7.4).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeType,
    Identifier, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::settings::AcmeChallenge;
use crate::tls::TlsError;
use crate::tls::challenge::{Challenges, Proof};

/// The whole of it.
const DEADLINE: Duration = Duration::from_secs(300);
/// For the authority to look at all proofs, and to sign.
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.7)
    .timeout(Duration::from_secs(120));

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("the authority refused: {0}")]
    Acme(#[from] instant_acme::Error),
    #[error("`{name}` could not be proved: {why}")]
    Proof { name: String, why: String },
    #[error("the authority offers none of the allowed proofs for `{0}`")]
    NoChallenge(String),
    #[error("the order ended as {0:?}")]
    Ended(OrderStatus),
    #[error("the order took too long")]
    Late,
    #[error("the MAC key in {} is not base64url", .0.display())]
    MacKey(PathBuf),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl OrderError {
    /// True if the authority says that it does not know our account.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Acme(error) if problem(error).is_some_and(|kind| kind.ends_with(":accountDoesNotExist")))
    }
}

fn problem(error: &instant_acme::Error) -> Option<&str> {
    match error {
        instant_acme::Error::Api(problem) => problem.r#type.as_deref(),
        _ => None,
    }
}

/// What an order is made with.
pub(super) struct Request<'a> {
    pub(super) account: &'a Account,
    pub(super) names: &'a [String],
    /// The preferred one first.
    pub(super) kinds: &'a [AcmeChallenge],
    pub(super) challenges: &'a Arc<Challenges>,
    /// The certificate that this one comes after (RFC 9773 5).
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
}

/// Makes the order. The result is PEM: the key, then the chain.
pub(super) async fn order(request: &Request<'_>) -> Result<String, OrderError> {
    tokio::time::timeout(DEADLINE, run(request))
        .await
        .map_err(|_| OrderError::Late)?
}

async fn run(request: &Request<'_>) -> Result<String, OrderError> {
    let mut order = begin(request).await?;
    // Shown until the authority has made up its mind.
    let _proofs = prove(request, &mut order).await?;
    match order.poll_ready(&POLL).await {
        Ok(OrderStatus::Ready) => {}
        Ok(status) => {
            return Err(reason(&mut order)
                .await
                .unwrap_or(OrderError::Ended(status)));
        }
        Err(error) => return Err(reason(&mut order).await.unwrap_or(error.into())),
    }
    let mut params = CertificateParams::new(request.names.to_vec()).map_err(TlsError::Make)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().map_err(TlsError::Make)?;
    let signing = params.serialize_request(&key).map_err(TlsError::Make)?;
    order.finalize_csr(signing.der()).await?;
    let chain = order.poll_certificate(&POLL).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

async fn begin(request: &Request<'_>) -> Result<Order, OrderError> {
    let names: Vec<Identifier> = request.names.iter().cloned().map(Identifier::Dns).collect();
    if let Some(replaces) = &request.replaces {
        let new = NewOrder::new(&names).replaces(replaces.clone());
        match request.account.new_order(&new).await {
            Ok(order) => return Ok(order),
            // The server has no ARI, or takes the old certificate for replaced already: no matter.
            Err(error) => {
                tracing::debug!(%error, "an order that names its predecessor was refused")
            }
        }
    }
    Ok(request.account.new_order(&NewOrder::new(&names)).await?)
}

async fn prove(request: &Request<'_>, order: &mut Order) -> Result<Vec<Proof>, OrderError> {
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // Proved by an order before.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let kind = choose(request.kinds, &authorization)
            .ok_or_else(|| OrderError::NoChallenge(name.clone()))?;
        let mut challenge = authorization
            .challenge(of_acme(kind))
            .ok_or_else(|| OrderError::NoChallenge(name.clone()))?;
        let answer = challenge.key_authorization();
        proofs.push(match kind {
            AcmeChallenge::TlsAlpn => request
                .challenges
                .offer_certificate(&name, answer.digest().as_ref())?,
            AcmeChallenge::Http => request
                .challenges
                .offer_file(&challenge.token, answer.as_str()),
        });
        // The authority may have tried already.
        challenge
            .set_ready()
            .await
            .map_err(|error| unproved(&name, error))?;
    }
    Ok(proofs)
}

fn unproved(name: &str, error: instant_acme::Error) -> OrderError {
    match error {
        instant_acme::Error::Api(problem) => OrderError::Proof {
            name: name.to_owned(),
            why: said(&problem),
        },
        other => other.into(),
    }
}

fn said(problem: &Problem) -> String {
    problem
        .detail
        .clone()
        .unwrap_or_else(|| problem.to_string())
}

fn choose(
    kinds: &[AcmeChallenge],
    authorization: &AuthorizationHandle<'_>,
) -> Option<AcmeChallenge> {
    kinds.iter().copied().find(|kind| {
        let wanted = of_acme(*kind);
        authorization
            .challenges
            .iter()
            .any(|one| one.r#type == wanted)
    })
}

fn of_acme(kind: AcmeChallenge) -> ChallengeType {
    match kind {
        AcmeChallenge::TlsAlpn => ChallengeType::TlsAlpn01,
        AcmeChallenge::Http => ChallengeType::Http01,
    }
}

/// Which name failed and why, as the authority tells it.
async fn reason(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else {
            continue;
        };
        if authorization.refresh().await.is_err() {
            continue;
        }
        let why = authorization
            .challenges
            .iter()
            .find_map(|one| one.error.as_ref().map(said));
        if let Some(why) = why {
            return Some(OrderError::Proof {
                name: authorization.identifier().to_string(),
                why,
            });
        }
    }
    None
}
