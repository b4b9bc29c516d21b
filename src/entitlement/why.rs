//! Why a rule says no, in the words of an explanation: what the code alone does not say. Asked after a decision, and decides
//! nothing. Who asks is not known here: what the words tell of goes with them.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::graph::Node;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Time, Value, rel};

use super::anchors::Anchors;
use super::credits::Credits;
use super::decision::{Rule, Wanted};
use super::model::Named;
use super::reason::Reason;
use super::ruled;
use super::select::{self, Candidate, Path};
use super::shut;
use super::terms::Limited;
use super::version::Versions;

/// What words tell of: whoever does not see it is not told them.
#[derive(Clone, Copy, Debug)]
pub enum Rest<'g> {
    Node(Node<'g>),
    /// Some of a kind, or that there is none.
    Kind(Kind),
}

pub type Rests<'g> = SmallVec<[Rest<'g>; 2]>;

#[derive(Clone, Debug)]
pub struct Why<'g> {
    /// A clause as those of `Reason::words`.
    pub words: Cow<'static, str>,
    pub rests: Rests<'g>,
    /// The license itself is told of for their sake alone.
    pub is_all: bool,
}

pub(super) fn why<'g>(
    candidate: &Candidate<'g>,
    rule: Rule,
    reason: Reason,
    wanted: &Wanted<'_>,
    now: Time,
) -> Why<'g> {
    let license = candidate.license;
    let mut rests = Rests::new();
    let told = match (rule, reason) {
        (Rule::SeatTerm, _) => {
            rests.push(Rest::Kind(Kind::SeatCountCredit));
            Some("a seat is free, and ends before this lease could give it back".to_owned())
        }
        (Rule::Filters, _) => Some("what was asked for beside the item leaves it out".to_owned()),
        (_, Reason::LicenseNotYetValid) if select::start(&license).is_none() => {
            Some("the license has no `validFrom`, and is not valid without one".to_owned())
        }
        (_, Reason::AssignmentRequired) => candidate
            .model
            .named
            .and_then(|named| unassigned(candidate, named, now, &mut rests)),
        (_, Reason::InvalidLicenseModel) => contradictions(license, &mut rests),
        (_, Reason::VersionNotAllowed) => {
            rests.extend(constraint(license, Kind::VersionConstraint));
            candidate
                .model
                .versions
                .map(|versions| version(versions, wanted.version))
        }
        (_, Reason::ScopeNotAllowed) => {
            rests.extend(constraint(license, Kind::ScopedLicenseConstraint));
            rests.extend(wanted.scope.map(|_| Rest::Kind(Kind::LicenseScope)));
            Some(scope(candidate.model.scope.flatten(), wanted.scope))
        }
        (_, Reason::NoSeatsAvailable | Reason::UseCountExceeded | Reason::UseTimeExceeded) => {
            uncredited(candidate, now, &mut rests)
        }
        _ => None,
    };
    Why {
        words: told.map_or(Cow::Borrowed(reason.words()), Cow::Owned),
        rests,
        is_all: false,
    }
}

/// The rule of this kind of the model a license follows.
fn constraint(license: Node<'_>, kind: Kind) -> Option<Rest<'_>> {
    let mut rules = license.parent(rel::OF_MODEL)?.singles().map(|(_, rule)| rule);
    rules.find(|rule| rule.kind == kind).map(Rest::Node)
}

/// Where there is a reservation at another time, or a first use would reserve the seat, but for something.
fn unassigned<'g>(candidate: &Candidate<'g>, named: Named, now: Time, rests: &mut Rests<'g>) -> Option<String> {
    rests.extend(candidate.assignment.map(Rest::Node));
    if !named.auto_assign && !matches!(candidate.path, Path::Rule(_)) {
        let reservation = candidate
            .assignment
            .filter(|assignment| ruled::is_reservation(assignment))?;
        let is_over = shut::lapse(select::start(&reservation), select::end(&reservation), now)?;
        let word = if is_over { "has ended" } else { "has not begun" };
        return Some(format!(
            "the license model asks for a reserved seat, and the reservation of this consumer {word}"
        ));
    }
    rests.extend(constraint(candidate.license, Kind::AssignedLicenseConstraint));
    let reserved = candidate.license.graph().taken(candidate.license, now).reserved;
    if let Some(most) = named.most.filter(|most| reserved >= *most) {
        return Some(format!(
            "a first use reserves a seat, and the {most} that `maxAssignments` of the license model allows are all reserved"
        ));
    }
    Some("a first use reserves a seat, but not where an assignment is going to deny the license".to_owned())
}

fn contradictions<'g>(license: Node<'g>, rests: &mut Rests<'g>) -> Option<String> {
    let model = license.parent(rel::OF_MODEL)?;
    let (mut limits, mut told) = (Vec::new(), Vec::new());
    for (_, rule) in model.singles() {
        rests.push(Rest::Node(rule));
        let has = |field: u8| rule.fields().get(field).is_some();
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
                let anchors = rule.fields().get(ANCHORS).and_then(Value::as_text);
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
    let range = match (versions.least, versions.most) {
        (Some(least), Some(most)) => format!(" from `{least}` to `{most}`"),
        (Some(least), None) => format!(" from `{least}` on"),
        (None, Some(most)) => format!(" up to `{most}`"),
        (None, None) => String::new(),
    };
    let allowed = match versions.pattern {
        Some(pattern) => format!("versions{range} that match `{pattern}`"),
        None if range.is_empty() => "clients that say their version".to_owned(),
        None => format!("versions{range}"),
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
fn uncredited<'g>(candidate: &Candidate<'g>, now: Time, rests: &mut Rests<'g>) -> Option<String> {
    let (license, limited) = (candidate.license, candidate.model.limited);
    let of = limited.credit();
    rests.push(Rest::Kind(of.kind));
    let (mut inactive, mut later, mut ended) = (0u64, 0u64, 0u64);
    for (credit, _) in license.hop(Hop::forward(of.rel), None) {
        if credit.fields().get(of.active) != Some(&Value::Bool(true)) {
            inactive += 1;
        } else if select::start(&credit).is_some_and(|from| now < from) {
            later += 1;
        } else if select::end(&credit).is_some_and(|until| until <= now) {
            ended += 1;
        } else {
            return overpromised(candidate, now, rests);
        }
    }
    let parts = [(inactive, "not active"), (later, "not begun"), (ended, "ended")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Some(match parts.is_empty() {
        true => format!("the license has no {}", of.kind.name()),
        false => format!(
            "no {} of the license is valid now: {}",
            of.kind.name(),
            parts.join(", ")
        ),
    })
}

/// Where the consumer has a reservation, and others were first.
fn overpromised<'g>(candidate: &Candidate<'g>, now: Time, rests: &mut Rests<'g>) -> Option<String> {
    let license = candidate.license;
    if !candidate.reserved || candidate.model.limited != Limited::Seats {
        return None;
    }
    let total = Credits::of(license, Limited::Seats, now).total?;
    rests.extend(candidate.assignment.map(Rest::Node));
    let is_over = license.graph().taken(license, now).seats > total;
    is_over.then(|| "more seats are reserved or leased than there are, and those who lease first have them".to_owned())
}
