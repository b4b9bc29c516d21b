//! The answers of `/authz`, written straight into the body (`licensing.md` 1.3 and 1.5): a flat object an item, or `true`
//! and `false`.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::Form;
use crate::access::View;
use crate::entitlement::Reason;
use crate::entitlement::decision::{Granted, Tried};
use crate::entitlement::ruled;
use crate::entitlement::select::{self, Path};
use crate::entitlement::why::{Rest, Why};
use crate::graph::Node;
use crate::http::wire::text;
use crate::model::{Time, rel};

/// A denial in a token is good for so long (`licensing.md` 1.3).
const DENIED_SECONDS: i64 = 24 * 60 * 60;

/// A yes in a token that holds no seat is good for so long, as other signed answers are: it must not pass for a lease.
const CHECKED_SECONDS: i64 = 180;
/// So many candidates and ways are told of in an explanation.
const TOLD: usize = 100;

/// What every answer says.
pub struct Stamp<'a> {
    pub issuer: &'a str,
    pub subject: Uuid,
    pub now: Time,
    /// It becomes a token.
    pub signed: bool,
}

/// One answer an item, in the order of the request.
pub struct Answers {
    form: Form,
    /// An array, for several items or for tokens.
    is_list: bool,
    count: usize,
    out: Vec<u8>,
}

impl Answers {
    pub fn new(form: Form, items: usize) -> Self {
        let is_list = form == Form::Jwt || (form == Form::Json && items > 1);
        let mut out = Vec::with_capacity(384 * items.min(8));
        if is_list {
            out.push(b'[');
        }
        Self {
            form,
            is_list,
            count: 0,
            out,
        }
    }

    pub fn granted(
        &mut self,
        item: &str,
        granted: &Granted,
        lease: Option<Uuid>,
        hw: Option<&str>,
        stamp: &Stamp<'_>,
        explained: Option<&[u8]>,
    ) {
        if !self.begin(true) {
            return;
        }
        self.name(item, "");
        self.out.extend_from_slice(b"true");
        self.stamp(stamp);
        self.subject(stamp);
        let checked = Time(stamp.now.millis().saturating_add(1000 * CHECKED_SECONDS));
        let (until, refresh) = match lease {
            // A check is good for less, and is asked again when three quarters of that are over.
            None if stamp.signed && granted.until > checked => {
                let early = Time(stamp.now.millis().saturating_add(750 * CHECKED_SECONDS));
                (checked, granted.refresh.min(early))
            }
            _ => (granted.until, granted.refresh),
        };
        self.seconds("exp", until);
        if let Some(lease) = lease {
            self.id("jti", lease);
        }
        self.seconds("rfr", refresh);
        if let Some(hw) = hw {
            self.out.extend_from_slice(b",\"hw\":");
            text::string(&mut self.out, hw);
        }
        self.id("lic", granted.license);
        if let Some(from) = granted.valid_from {
            self.seconds("ibb", from);
        }
        self.explained(item, explained);
        self.out.push(b'}');
    }

    pub fn refused(&mut self, item: &str, reason: Reason, stamp: &Stamp<'_>, explained: Option<&[u8]>) {
        if !self.begin(false) {
            return;
        }
        self.error(item, reason, "cannot be used");
        self.stamp(stamp);
        if stamp.signed {
            self.seconds("exp", Time(stamp.now.millis().saturating_add(1000 * DENIED_SECONDS)));
        }
        self.explained(item, explained);
        self.out.push(b'}');
    }

    pub fn released(&mut self, lease: &str, until: Time, stamp: &Stamp<'_>) {
        if !self.begin(true) {
            return;
        }
        self.name(lease, "");
        self.out.extend_from_slice(b"true");
        self.stamp(stamp);
        self.subject(stamp);
        self.seconds("exp", until);
        self.out.push(b'}');
    }

    pub fn not_released(&mut self, lease: &str, reason: Reason, stamp: &Stamp<'_>) {
        if !self.begin(false) {
            return;
        }
        self.error(lease, reason, "cannot be released");
        self.stamp(stamp);
        if stamp.signed {
            self.seconds("exp", Time(stamp.now.millis().saturating_add(1000 * DENIED_SECONDS)));
        }
        self.out.push(b'}');
    }

    /// Is there room for an explanation? Words have none, and a token is no place for it.
    pub fn tells(&self) -> bool {
        self.form == Form::Json
    }

    pub fn finish(mut self) -> Vec<u8> {
        if self.is_list {
            self.out.push(b']');
        }
        self.out
    }

    /// False where a word was the whole answer.
    fn begin(&mut self, yes: bool) -> bool {
        let separator = if self.form == Form::Text { b'&' } else { b',' };
        if self.count > 0 {
            self.out.push(separator);
        }
        self.count += 1;
        if self.form == Form::Text {
            self.out.extend_from_slice(if yes { b"true" } else { b"false" });
            return false;
        }
        self.out.push(b'{');
        true
    }

    /// The four members of a no; each text names the item in double quotes, as clients show it.
    fn error(&mut self, item: &str, reason: Reason, what: &str) {
        // The item is escaped once; our own words have nothing to escape.
        let start = self.out.len() + 1;
        text::string(&mut self.out, item);
        self.out.pop();
        let written = start..self.out.len();
        let out = &mut self.out;
        let mut named = |before: &[u8], after: &[&str]| {
            out.extend_from_slice(before);
            out.extend_from_within(written.clone());
            after.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        };
        let (code, words) = (reason.code(), reason.words());
        named(b"_errorKey\":\"notAuthorized\",\"", &["_errorCode\":\"", code, "\",\""]);
        named(b"", &["_errorMessage\":\"\\\""]);
        named(b"", &["\\\" ", what, ": ", words, "\",\""]);
        named(b"", &["_errorTechnical\":\"\\\""]);
        named(b"", &["\\\": ", words, " (", code, ")\""]);
    }

    /// `"editor_errorKey":`
    fn name(&mut self, item: &str, more: &str) {
        text::string(&mut self.out, item);
        if !more.is_empty() {
            self.out.pop();
            self.out.extend_from_slice(more.as_bytes());
            self.out.push(b'"');
        }
        self.out.push(b':');
    }

    fn stamp(&mut self, stamp: &Stamp<'_>) {
        self.out.extend_from_slice(b",\"iss\":");
        text::string(&mut self.out, stamp.issuer);
        self.seconds("iat", stamp.now);
    }

    fn subject(&mut self, stamp: &Stamp<'_>) {
        self.id("sub", stamp.subject);
    }

    fn id(&mut self, claim: &str, id: Uuid) {
        self.claim(claim);
        text::uuid(&mut self.out, id);
    }

    /// Never later than it is.
    fn seconds(&mut self, claim: &str, at: Time) {
        self.claim(claim);
        text::integer(&mut self.out, at.millis().div_euclid(1000));
    }

    fn claim(&mut self, claim: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(claim.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn explained(&mut self, item: &str, explained: Option<&[u8]>) {
        if let Some(explained) = explained {
            self.out.push(b',');
            self.name(item, "_explanation");
            self.out.extend_from_slice(explained);
        }
    }
}

/// How a decision came about (design 16); what the caller may not read is left out, and of very many the first are told, with
/// `"more":true`.
pub fn explanation(out: &mut Vec<u8>, tried: &[Tried<'_>], profile: Uuid, item: &str, view: &View<'_>, now: Time) {
    out.extend_from_slice(b"{\"candidates\":[");
    let asked = select::item(view.graph(), item);
    let below = asked.map(select::included).unwrap_or_default();
    let profile = view.graph().find(profile);
    let mut is_first = true;
    let mut told = 0;
    let mut more = false;
    for one in tried {
        let Some((license, profile)) = view.find(one.candidate.license.id).zip(profile) else {
            continue;
        };
        let why = one.why.as_ref().filter(|why| is_seen(why, view));
        if why.is_none() && one.why.as_ref().is_some_and(|why| why.is_all) {
            continue;
        }
        told += 1;
        if told > TOLD {
            more = true;
            break;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"licenseId\":");
        text::uuid(out, license.id);
        out.extend_from_slice(b",\"path\":");
        let mut steps = Steps::new(out, view);
        steps.license(profile, one.candidate.path, license);
        steps.down_to(license, one.candidate.item, asked, &below);
        steps.end();
        out.extend_from_slice(b",\"rules\":[");
        for (at, (rule, reason)) in one.rules.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"rule\":");
            text::string(out, rule.name());
            match reason {
                None => out.extend_from_slice(b",\"passed\":true}"),
                Some(reason) => {
                    out.extend_from_slice(b",\"passed\":false,\"code\":");
                    text::string(out, reason.code());
                    out.extend_from_slice(b",\"text\":");
                    text::string(out, why.map_or(reason.words(), |why| &*why.words));
                    out.push(b'}');
                }
            }
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"],\"pathsTried\":[");
    let mut is_first = true;
    for (entitlement, path) in profile.map(|profile| select::ways(profile, now)).into_iter().flatten() {
        let (Some(profile), true) = (profile, view.find(entitlement.id).is_some()) else {
            continue;
        };
        told += 1;
        if told > 2 * TOLD {
            more = true;
            break;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        let mut steps = Steps::new(out, view);
        steps.way(profile, path);
        steps.step(
            Some("~LicenseConsumerRelation").filter(|_| path != Path::Personal),
            entitlement,
        );
        steps.end();
    }
    out.push(b']');
    if more {
        out.extend_from_slice(b",\"more\":true");
    }
    out.push(b'}');
}

/// Does the caller see all that the words tell of?
fn is_seen(why: &Why<'_>, view: &View<'_>) -> bool {
    why.rests.iter().all(|rest| match rest {
        Rest::Node(node) => view.find(node.id).is_some(),
        Rest::Kind(kind) => !view.sees_none(*kind),
    })
}

/// From a profile to a license, as a selector would walk it: of each path an array of its parts. Ways that differ in what is
/// hidden are one to the caller, who is not told how many of them there are.
pub fn paths(out: &mut Vec<u8>, view: &View<'_>, profile: Node<'_>, paths: &[Path<'_>], license: Node<'_>) {
    let mut told: HashSet<Vec<u8>, RandomState> = HashSet::default();
    for path in paths {
        let mut one = Vec::new();
        let mut steps = Steps::new(&mut one, view);
        steps.license(profile, *path, license);
        steps.end();
        if told.contains(&one) {
            continue;
        }
        if !told.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(&one);
        told.insert(one);
    }
}

/// A path part by part.
struct Steps<'o, 'v, 'g> {
    out: &'o mut Vec<u8>,
    view: &'v View<'g>,
    is_empty: bool,
}

impl<'o, 'v, 'g> Steps<'o, 'v, 'g> {
    fn new(out: &'o mut Vec<u8>, view: &'v View<'g>) -> Self {
        out.push(b'[');
        Self {
            out,
            view,
            is_empty: true,
        }
    }

    /// From the profile to what opens the license, or the entitlement it is in.
    fn way(&mut self, profile: Node<'_>, path: Path<'_>) {
        self.step(None, profile);
        match path {
            Path::Personal => self.text("~OneToMany"),
            Path::Direct => {}
            Path::Group(group) => self.step(Some("~Membership"), group),
            Path::Assignment(assignment) => self.step(Some("~OneToMany"), assignment),
            // By its tags: no relation leads there.
            Path::Set(set) => self.step(None, set),
            Path::Rule(rule) => {
                if let Some(group) = ruled::group(rule) {
                    self.step(Some("~Membership"), group);
                }
                self.step(Some("~OneToMany"), rule);
                if let Some(item) = rule.parent(rel::RULES_FOR) {
                    self.step(Some("~ManyToOne"), item);
                }
            }
        }
    }

    /// From the profile to the license.
    fn license(&mut self, profile: Node<'_>, path: Path<'_>, license: Node<'_>) {
        self.way(profile, path);
        if let Some(entitlement) = license.parent(rel::LICENSES)
            && !matches!(path, Path::Assignment(_) | Path::Rule(_) | Path::Set(_))
        {
            let relation = Some("~LicenseConsumerRelation").filter(|_| path != Path::Personal);
            self.step(relation, entitlement);
        }
        self.step(
            Some("~OneToMany")
                .filter(|_| !matches!(path, Path::Assignment(_)))
                .or(Some("~ManyToOne")),
            license,
        );
    }

    /// From a license of another item than was asked for: down to that one, item by item.
    fn down_to<'n>(
        &mut self,
        license: Node<'n>,
        opened: Node<'n>,
        asked: Option<Node<'n>>,
        below: &HashMap<Node<'n>, Node<'n>, RandomState>,
    ) {
        let own = license.parent(rel::OF_ITEM);
        if own.is_none() || own == asked {
            return;
        }
        // What is opened because it matches is related to no license.
        self.step(Some("~ManyToOne").filter(|_| own == Some(opened)), opened);
        let mut item = opened;
        while let Some(next) = below.get(&item).filter(|_| Some(item) != asked) {
            self.step(Some("~Includes"), *next);
            item = *next;
        }
    }

    fn step(&mut self, relation: Option<&str>, node: Node<'_>) {
        if let Some(relation) = relation {
            self.text(relation);
        }
        if self.view.find(node.id).is_some() {
            self.text(&format!("/{}[@id='{}']", node.kind.name(), node.id));
        }
    }

    fn text(&mut self, text: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        text::string(self.out, text);
    }

    fn end(self) {
        self.out.push(b']');
    }
}
