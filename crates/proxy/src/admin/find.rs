//! What verbs speak of: upstreams, their targets, sites.

use std::sync::Arc;

use super::{Context, VerbError};
use crate::upstream::{Deploying, Member, Spec, UpstreamPlan};

/// The upstream called `name`.
pub(super) fn upstream(context: &Context, name: &str) -> Result<Arc<UpstreamPlan>, VerbError> {
    let plan = context.shared.plans.get();
    plan.upstreams
        .iter()
        .find(|upstream| upstream.name == name)
        .map(Arc::clone)
        .ok_or_else(|| {
            let names: Vec<&str> = plan.upstreams.iter().map(|one| one.name.as_str()).collect();
            VerbError::usage(format!(
                "there is no upstream `{name}`: write one of {}",
                names.join(", ")
            ))
        })
}

/// The target `text` of `upstream`.
pub(super) fn member(upstream: &UpstreamPlan, text: &str) -> Result<Arc<Member>, VerbError> {
    let members = upstream.state.members();
    members
        .iter()
        .find(|member| member.spec.target.to_string() == text)
        .map(Arc::clone)
        .ok_or_else(|| {
            let all: Vec<String> = members
                .iter()
                .map(|member| member.spec.target.to_string())
                .collect();
            VerbError::usage(format!(
                "`{}` has no target `{text}`: it has {}",
                upstream.name,
                all.join(", ")
            ))
        })
}

/// The targets written as `texts`; one that is in use keeps its weight and limits.
pub(super) fn specs(upstream: &UpstreamPlan, texts: &[String]) -> Result<Vec<Spec>, VerbError> {
    let members = upstream.state.members();
    let mut specs: Vec<Spec> = Vec::new();
    for text in texts {
        let new = Spec::try_from(&text.clone().into()).map_err(VerbError::Usage)?;
        if specs.iter().any(|spec| spec.target == new.target) {
            return Err(VerbError::usage(format!("`{text}` is written twice")));
        }
        let known = members.iter().find(|one| one.spec.target == new.target);
        specs.push(known.map_or(new, |member| member.spec.clone()));
    }
    Ok(specs)
}

/// The right to change the targets of `upstream`.
pub(super) fn change(upstream: &UpstreamPlan) -> Result<Deploying<'_>, VerbError> {
    upstream.state.begin_change().ok_or_else(|| {
        VerbError::failed(format!(
            "the targets of `{}` are being changed already",
            upstream.name
        ))
    })
}
