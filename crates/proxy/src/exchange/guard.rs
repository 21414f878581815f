//! Phases: limits and access. How often one may ask, and who may.

mod forward_auth;
mod password;
mod rate;

use http::Response;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;

use super::action::Wanted;
use super::notes::Notes;
use crate::body::Outbound;
use crate::fault::Fault;
use crate::plan::{Guard, path};

/// Lets the request through, or answers it.
pub(super) async fn check(
    guard: &Guard,
    wanted: &Wanted<'_>,
    parts: &mut Parts,
    notes: &mut Notes<'_>,
) -> Result<Option<Response<Outbound>>, Fault> {
    if !guard.is_on {
        return Ok(None);
    }
    rate::check(&guard.limits, wanted, parts, notes).await?;
    let free = password_is_free(guard, parts);
    let outcome = if guard.any {
        Box::pin(any(guard, wanted, parts, free, notes)).await
    } else {
        all(guard, wanted, parts, free, notes).await
    };
    if let Some(password) = &guard.password {
        password::hide(password, parts);
    }
    outcome
}

fn password_is_free(guard: &Guard, parts: &Parts) -> bool {
    guard
        .password
        .as_ref()
        .is_some_and(|password| password.except.cover(&path::normal(parts.uri.path())))
}

async fn all(
    guard: &Guard,
    wanted: &Wanted<'_>,
    parts: &mut Parts,
    free: bool,
    notes: &mut Notes<'_>,
) -> Result<Option<Response<Outbound>>, Fault> {
    if let Some(access) = &guard.access
        && !access.allows(wanted.visitor.address)
    {
        return Err(Fault::Forbidden);
    }
    if let Some(password) = &guard.password
        && !free
    {
        Box::pin(password::check(password, wanted, parts, notes)).await?;
    }
    match &guard.forward_auth {
        Some(auth) => Box::pin(forward_auth::check(auth, wanted, parts)).await,
        None => Ok(None),
    }
}

/// One is enough. What is refused is refused as the strongest that was left would: a password that could
/// still be given, then the other application's answer.
async fn any(
    guard: &Guard,
    wanted: &Wanted<'_>,
    parts: &mut Parts,
    free: bool,
    notes: &mut Notes<'_>,
) -> Result<Option<Response<Outbound>>, Fault> {
    let allowed = |access: &crate::plan::Access| access.allows(wanted.visitor.address);
    let inside = guard.access.as_ref().is_some_and(allowed);
    let nothing =
        guard.access.is_none() && guard.password.is_none() && guard.forward_auth.is_none();
    if inside || free || nothing {
        if let Some(auth) = &guard.forward_auth {
            forward_auth::hide(auth, parts);
        }
        return Ok(None);
    }
    let refused = match &guard.password {
        None => Fault::Forbidden,
        Some(password) => match password::check(password, wanted, parts, notes).await {
            Ok(()) => {
                if let Some(auth) = &guard.forward_auth {
                    forward_auth::hide(auth, parts);
                }
                return Ok(None);
            }
            Err(fault) => fault,
        },
    };
    match &guard.forward_auth {
        Some(auth) => {
            let outcome = forward_auth::check(auth, wanted, parts).await?;
            if outcome.is_none() {
                notes.fields.remove(WWW_AUTHENTICATE);
            }
            Ok(outcome)
        }
        None => Err(refused),
    }
}
