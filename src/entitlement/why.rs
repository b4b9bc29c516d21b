//! Why a rule says no, in the words of an explanation: what the code alone does not say. Asked after a decision, and decides
//! nothing.

use std::borrow::Cow;

use crate::graph::Node;
use crate::model::schema::{known, place};
use crate::model::{Kind, Rel, RelationType, Time, Value};

use super::anchors::Anchors;
use super::credits;
use super::decision::{Rule, Wanted};
use super::model::Named;
use super::reason::Reason;
use super::select::{self, Candidate, Path};
use super::terms::Limited;
use super::version::Versions;

const MODEL: Rel = known(RelationType::OneToMany, Kind::LicenseModel, Kind::License);

/// A clause as those of `Reason::words`.
pub(super) fn words(
    candidate: &Candidate<'_>,
    rule: Rule,
    reason: Reason,
    wanted: &Wanted<'_>,
    now: Time,
) -> Cow<'static, str> {
    let license = candidate.license;
    let told = match (rule, reason) {
        (Rule::Filters, _) => Some("what was asked for beside the item leaves it out".to_owned()),
        (_, Reason::LicenseNotYetValid) if select::start(&license).is_none() => {
            Some("the license has no `validFrom`, and is not valid without one".to_owned())
        }
        (_, Reason::AssignmentRequired) => candidate
            .model
            .named
            .and_then(|named| unassigned(candidate, named, now)),
        (_, Reason::InvalidLicenseModel) => contradictions(license),
        (_, Reason::VersionNotAllowed) => candidate
            .model
            .versions
            .map(|versions| version(versions, wanted.version)),
        (_, Reason::ScopeNotAllowed) => Some(scope(candidate.model.scope.flatten(), wanted.scope)),
        (_, Reason::NoSeatsAvailable | Reason::UseCountExceeded | Reason::UseTimeExceeded) => {
            uncredited(license, candidate.model.limited, now)
        }
        _ => None,
    };
    told.map_or(Cow::Borrowed(reason.words()), Cow::Owned)
}

/// Where a first use would reserve the seat, but for something.
fn unassigned(candidate: &Candidate<'_>, named: Named, now: Time) -> Option<String> {
    if !named.auto_assign && !matches!(candidate.path, Path::Rule(_)) {
        return None;
    }
    let reserved = candidate.license.graph().taken(candidate.license, now).reserved;
    if let Some(most) = named.most.filter(|most| reserved >= *most) {
        return Some(format!(
            "a first use reserves a seat, and the {most} that `maxAssignments` of the license model allows are all reserved"
        ));
    }
    Some("a first use reserves a seat, but not where an assignment is going to deny the license".to_owned())
}

fn contradictions(license: Node<'_>) -> Option<String> {
    let model = license.parent(MODEL)?;
    let (mut limits, mut told) = (Vec::new(), Vec::new());
    for (_, rule) in model.singles() {
        let has = |field: u8| rule.fields.get(field).is_some();
        match rule.kind {
            Kind::SeatCountConstraint | Kind::UseCountConstraint | Kind::AggregateUseConstraint => {
                limits.push(rule.kind.name());
            }
            Kind::UtilizationConstraint => {
                let percent = has(const { place(Kind::UtilizationConstraint, "maxOverusePercent") });
                if percent && has(const { place(Kind::UtilizationConstraint, "maxOveruseCount") }) {
                    told.push("UtilizationConstraint has both `maxOverusePercent` and `maxOveruseCount`".to_owned());
                }
            }
            Kind::ConcurrentSessions => {
                const ANCHORS: u8 = place(Kind::ConcurrentSessions, "sessionAnchors");
                let anchors = rule.fields.get(ANCHORS).and_then(Value::as_text);
                if anchors.is_some_and(|anchors| !anchors.is_empty() && Anchors::read(anchors).is_none()) {
                    told.push("`sessionAnchors` of ConcurrentSessions cannot be read".to_owned());
                }
            }
            _ => {}
        }
    }
    // However they hang on the model.
    told.sort_unstable();
    if limits.len() > 1 {
        limits.sort_unstable();
        told.insert(0, format!("only one of {} may limit it", limits.join(" and ")));
    }
    (!told.is_empty()).then(|| format!("the license model contradicts itself: {}", told.join("; ")))
}

fn version(versions: Versions<'_>, sent: Option<&str>) -> String {
    let allowed = match (versions.least, versions.most, versions.pattern) {
        (_, _, Some(pattern)) => format!("versions that match `{pattern}`"),
        (Some(least), Some(most), None) => format!("versions from `{least}` to `{most}`"),
        (Some(least), None, None) => format!("versions from `{least}` on"),
        (None, Some(most), None) => format!("versions up to `{most}`"),
        (None, None, None) => "clients that say their version".to_owned(),
    };
    match sent {
        None => format!("the license model allows {allowed}, and no `version` was sent"),
        Some(sent) => format!("the license model allows {allowed}, and `{sent}` was sent"),
    }
}

fn scope(scope_type: Option<&str>, sent: Option<&str>) -> String {
    match (scope_type, sent) {
        (Some(scope_type), None) => {
            format!("the license model asks for a scope of the type `{scope_type}`, and no `scope` was sent")
        }
        (None, None) => "the license model asks for a scope, and no `scope` was sent".to_owned(),
        (Some(scope_type), Some(sent)) => format!("the license has no scope `{sent}` of the type `{scope_type}`"),
        (None, Some(sent)) => format!("the license has no scope `{sent}`"),
    }
}

/// Where nothing is used up, for there is nothing to use.
fn uncredited(license: Node<'_>, limited: Limited, now: Time) -> Option<String> {
    let (kind, _) = limited.credit();
    let (mut inactive, mut later, mut ended) = (0u64, 0u64, 0u64);
    for credit in credits::all(license).filter(|credit| credit.kind == kind) {
        let active = kind.field("active").and_then(|field| credit.fields.get(field));
        if active != Some(&Value::Bool(true)) {
            inactive += 1;
        } else if select::start(&credit).is_some_and(|from| now < from) {
            later += 1;
        } else if select::end(&credit).is_some_and(|until| until <= now) {
            ended += 1;
        } else {
            return None;
        }
    }
    let parts = [(inactive, "not active"), (later, "not begun"), (ended, "ended")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Some(match parts.is_empty() {
        true => format!("the license has no {}", kind.name()),
        false => format!("no {} of the license is valid now: {}", kind.name(), parts.join(", ")),
    })
}
