//! `POST /checks`: many decisions in one request, answered in order, each as it would be alone (design 16). What is wrong
//! with one element is said in its place, and the others are answered; where there is no time or no room for all of them, none is: whoever
//! reads `granted` alone would take what was not decided for a refusal.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::checked::Noted;
use super::object::{Member, Object, within};
use super::problem::Problem;
use super::wire::text;
use super::write::beside;
use super::{Context, anchor, answered, auth, authz, body};
use crate::access::{View, Who};
use crate::entitlement::decision::{self, Decision, Wanted};
use crate::entitlement::model::Mode;
use crate::entitlement::select::Filters;
use crate::error::Error;
use crate::graph::{self, Graph};
use crate::limits::{Limit, Limits};
use crate::model::Time;
use crate::operation::consume::{self, Consumer, Purpose};
use crate::query::{Code, QueryError};

/// What takes longer is finished beside the workers: most of these take microseconds, and one of a user with thousands of licenses
/// does not.
pub const INLINE: Duration = Duration::from_millis(2);

/// For more than this, no answer of another request waits.
const LENGTHY: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow)]
    checks: Vec<&'a RawValue>,
    #[serde(default)]
    explain: bool,
}

/// The members of an element, and what each is.
const MEMBERS: [(Member, &str); 12] = [
    (("item", true, Value::is_string), "a text"),
    (("profileId", false, is_id), "a UUID"),
    (("hw", false, is_text), "a text"),
    (("process", false, is_text), "a text"),
    (("version", false, is_text), "a text"),
    (("scope", false, is_text), "a text"),
    (("count", false, is_count), "a number from 1 to 4294967295"),
    (("consumptionMode", false, is_mode), "`cache` or `checkout`"),
    (("licenseId", false, is_id), "a UUID"),
    (("entitlementId", false, is_id), "a UUID"),
    (("ownerOrganizationId", false, is_id), "a UUID"),
    (("ownerUserId", false, is_id), "a UUID"),
];

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn is_id(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|id| Uuid::try_parse(id).is_ok())
}

fn is_count(value: &Value) -> bool {
    let fits = |count: u64| (1..=u64::from(u32::MAX)).contains(&count);
    value.is_null() || value.as_u64().is_some_and(fits)
}

fn is_mode(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|name| Mode::named(name).is_some())
}

/// Why an element is not decided, and at which of its members.
struct Fault {
    code: &'static str,
    /// The pointer within the element, and what is wrong there.
    place: Option<(String, String)>,
}

impl Fault {
    fn at(code: &'static str, member: &str, detail: String) -> Self {
        Self {
            code,
            place: Some((format!("/{member}"), detail)),
        }
    }
}

impl From<&'static str> for Fault {
    fn from(code: &'static str) -> Self {
        Self { code, place: None }
    }
}

/// Of what is no check: where it stops being one.
fn bad_check(raw: &RawValue) -> Fault {
    let members = MEMBERS.map(|(member, _)| member);
    let value: Value = match serde_json::from_str(raw.get()) {
        Ok(value) => value,
        Err(error) => {
            // JSON by its form, or it would not be here: half a character of two.
            return Fault {
                code: "badCheck",
                place: Some((String::new(), unplaced(&error))),
            };
        }
    };
    let pointer = within(&value, "", &members).err().unwrap_or_default();
    let known = MEMBERS
        .iter()
        .find(|((name, ..), _)| pointer.strip_prefix('/') == Some(name));
    let detail = match (known, pointer.strip_prefix('/')) {
        (Some(((name, ..), what)), _) => format!("`{name}` is {what}"),
        (None, Some(name)) => {
            let name = name.replace("~1", "/").replace("~0", "~");
            format!("a check has no member `{}`", name.chars().take(60).collect::<String>())
        }
        (None, None) if !value.is_object() => "a check is an object".to_owned(),
        (None, None) if value.get("item").is_none() => "`item` is missing".to_owned(),
        (None, None) => match serde_json::from_str::<Object<Element<'_>>>(raw.get()) {
            Err(error) => unplaced(&error),
            Ok(_) => "it is no check".to_owned(),
        },
    };
    Fault {
        code: "badCheck",
        place: Some((pointer, detail)),
    }
}

/// What serde has to say, without where: it counts from the beginning of the element.
fn unplaced(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    whole
        .split_once(" at line ")
        .map_or(whole.clone(), |(what, _)| what.to_owned())
}

/// Of a member that is there and not what it has to be.
fn misfit_of(member: &str) -> Fault {
    let what = MEMBERS.iter().find(|((name, ..), _)| *name == member);
    let what = what.map_or("", |(_, what)| what);
    Fault::at("badCheck", member, format!("`{member}` is {what}"))
}

/// One element. Members are named like the parameters of `/authz`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Element<'a> {
    #[serde(borrow)]
    item: Cow<'a, str>,
    profile_id: Option<Uuid>,
    #[serde(borrow)]
    hw: Option<Cow<'a, str>>,
    #[serde(borrow)]
    process: Option<Cow<'a, str>>,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    count: Option<u32>,
    consumption_mode: Option<Cow<'a, str>>,
    license_id: Option<Uuid>,
    entitlement_id: Option<Uuid>,
    owner_organization_id: Option<Uuid>,
    owner_user_id: Option<Uuid>,
}

pub async fn answer(context: &Context, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let method = context.request.method();
    if *method != Method::POST {
        return Err(Problem::method_not_allowed(method.as_str(), "POST"));
    }
    let entered = auth::enter(context).await?;
    context.parameters(&[])?;
    body::require_json(&context.request)?;
    let limits = *context.limits();
    let reading = body::read(&context.request, &mut payload, limits.body_bytes());
    let (graph, who, bytes) = auth::awaiting(context, entered, reading).await?;
    let Object(sent): Object<Sent<'_>> = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::bad_request("badChecks", format!("the body is no list of checks: {error}"))
            .pointer(misfit(&bytes))
            .help("for example {\"checks\":[{\"profileId\":\"…\",\"item\":\"editor\"}],\"explain\":false}")
    })?;
    if sent.checks.len() as u64 > limits.checks {
        return Err(
            Problem::bad_request("tooManyChecks", format!("more than {} checks", limits.checks))
                .limit(limits.checks())
                .help("send them in several requests"),
        );
    }
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let began = Instant::now();
    let mut done = Done::new(Noted::new(context, now));
    let by = By {
        graph: &graph,
        who: &who,
        now,
        limits: &limits,
    };
    if sent.checks.len() > LENGTHY {
        context.worker.sender.make_way();
    }
    let is_done = |done: &Done| done.count == sent.checks.len();
    let mut ahead = Ahead::new(&sent, by);
    while !is_done(&done) && began.elapsed() < INLINE {
        done.one(&mut ahead)?;
    }
    if !is_done(&done) {
        let bytes = bytes.clone();
        done = beside(move || {
            // Read again: what was read borrows from the bytes.
            let Object(sent): Object<Sent<'_>> = serde_json::from_slice(&bytes)
                .map_err(|_| super::problem::internal("the checks cannot be read twice"))?;
            let by = By {
                graph: &graph,
                who: &who,
                now,
                limits: &limits,
            };
            let most = Duration::from_millis(limits.query_ms);
            // Waiting for a thread is not the checks' time.
            let began = Instant::now();
            let mut ahead = Ahead::new(&sent, by);
            while done.count < sent.checks.len() {
                if began.elapsed() > most {
                    return Err(too_much(Code::TimeSpent, limits.query_ms(), done.count).into());
                }
                done.one(&mut ahead)?;
            }
            Ok(done)
        })
        .await?;
    }
    done.noted.leave(&context.state);
    let mut out = done.out;
    out.extend_from_slice(END);
    Ok(answered(out, revision))
}

/// There is more in the request than a limit lets through.
fn too_much(code: Code, limit: Limit, decided: usize) -> Error {
    let what = match code {
        Code::TimeSpent => format!("the checks take longer than {} ms", limit.value),
        _ => format!("the answer has more than {} bytes", limit.value),
    };
    QueryError::new(code, format!("{what}: {decided} were decided, and none is answered"))
        .limit(limit)
        .help("send fewer checks in a request, or without `explain`")
        .into()
}

/// Where a body stops being a list of checks; `""` for what is no JSON.
fn misfit(body: &[u8]) -> String {
    const MEMBERS: [Member; 2] = [("checks", true, Value::is_array), ("explain", false, Value::is_boolean)];
    let body: Result<Value, _> = serde_json::from_slice(body);
    body.ok()
        .and_then(|body| within(&body, "", &MEMBERS).err())
        .unwrap_or_default()
}

/// By what all elements are decided.
#[derive(Clone, Copy)]
struct By<'g> {
    graph: &'g Graph,
    who: &'g Who,
    now: Time,
    limits: &'g Limits,
}

/// Elements are read so many at a time, so that their consumers are fetched from memory together.
const AHEAD: usize = 32;

/// The elements that come next.
struct Ahead<'s, 'a, 'g> {
    sent: &'s Sent<'a>,
    by: By<'g>,
    /// Those from `from` on; `None` is no element.
    read: Vec<Option<Element<'a>>>,
    from: usize,
}

impl<'s, 'a, 'g> Ahead<'s, 'a, 'g> {
    fn new(sent: &'s Sent<'a>, by: By<'g>) -> Self {
        Self {
            sent,
            by,
            read: Vec::new(),
            from: 0,
        }
    }

    /// The element at a place, which is not before the last one asked for. `None` if it is none.
    fn element(&mut self, at: usize) -> Option<&Element<'a>> {
        if !(self.from..self.from + self.read.len()).contains(&at) {
            let next = self.sent.checks.iter().skip(at).take(AHEAD);
            self.read = next
                .map(|raw| serde_json::from_str(raw.get()).ok().map(|Object(element)| element))
                .collect();
            self.from = at;
            let consumers = self.read.iter().filter_map(|element| element.as_ref()?.profile_id);
            let graph = self.by.graph;
            graph::touch(consumers.filter_map(|profile| graph.find(profile)));
        }
        self.read.get(at - self.from)?.as_ref()
    }
}

/// Of an answer, after the last result.
const END: &[u8] = b"]}";

/// The answers so far, in order.
struct Done {
    out: Vec<u8>,
    count: usize,
    noted: Noted,
}

impl Done {
    fn new(noted: Noted) -> Self {
        Self {
            out: b"{\"results\":[".to_vec(),
            count: 0,
            noted,
        }
    }

    /// The next one, which there must be.
    fn one(&mut self, ahead: &mut Ahead<'_, '_, '_>) -> Result<(), Error> {
        let (by, explain) = (ahead.by, ahead.sent.explain);
        let (at, sent) = (self.count, ahead.sent);
        self.separate();
        let decided = match ahead.element(at) {
            Some(element) => result(&mut self.out, element, explain, by, &mut self.noted),
            None => Err(sent
                .checks
                .get(at)
                .map_or(Fault::from("badCheck"), |raw| bad_check(raw))),
        };
        if let Err(Fault { code, place }) = decided {
            self.noted.undecided();
            refuse(&mut self.out, code);
            if let Some((pointer, detail)) = place {
                self.out.extend_from_slice(b",\"pointer\":");
                text::string(&mut self.out, &format!("/checks/{at}{pointer}"));
                self.out.extend_from_slice(b",\"detail\":");
                text::string(&mut self.out, &detail);
            }
            self.out.push(b'}');
        }
        let most = by.limits.answer_bytes();
        match (self.out.len() + END.len()) as u64 > most.value {
            true => Err(too_much(Code::AnswerTooLarge, most, self.count)),
            false => Ok(()),
        }
    }

    fn separate(&mut self) {
        if self.count > 0 {
            self.out.push(b',');
        }
        self.count += 1;
    }
}

/// `Err`: of an element that cannot be decided; nothing was written then.
fn result(out: &mut Vec<u8>, element: &Element<'_>, explain: bool, by: By<'_>, noted: &mut Noted) -> Result<(), Fault> {
    let By {
        graph,
        who,
        now,
        limits,
    } = by;
    let mode = match element.consumption_mode.as_deref() {
        None => Mode::default(),
        Some(name) => Mode::named(name).ok_or_else(|| misfit_of("consumptionMode"))?,
    };
    if element.count == Some(0) {
        return Err(misfit_of("count"));
    }
    if element.owner_organization_id.is_some() && element.owner_user_id.is_some() {
        let detail = "`ownerOrganizationId` and `ownerUserId` are both given, and a license has one owner".to_owned();
        return Err(Fault::at("contradictoryFilters", "ownerUserId", detail));
    }
    let [hw, process] = [&element.hw, &element.process].map(|text| anchor::parts(text.as_deref().unwrap_or_default()));
    let texts = [
        ("hw", hw.0),
        ("hw", hw.1.unwrap_or_default()),
        ("process", process.0),
        ("process", process.1.unwrap_or_default()),
        ("version", element.version.as_deref().unwrap_or_default()),
        ("scope", element.scope.as_deref().unwrap_or_default()),
    ];
    if let Some((name, _)) = texts.iter().find(|(_, text)| text.len() as u64 > limits.anchor_bytes) {
        let detail = format!("`{name}` has more than {} bytes", limits.anchor_bytes);
        return Err(Fault::at("valueTooLong", name, detail));
    }
    let consumer: Consumer =
        consume::consumer(graph, who, element.profile_id, "profileId", Purpose::Check).map_err(|error| error.code())?;
    let wanted = consumer.wanting(Wanted {
        mode,
        count: element.count,
        hw: element.hw.as_deref().and_then(anchor::read),
        process: element.process.as_deref().and_then(anchor::read),
        version: element.version.as_deref().filter(|version| !version.is_empty()),
        scope: element.scope.as_deref().filter(|scope| !scope.is_empty()),
        filters: Filters {
            license: element.license_id,
            entitlement: element.entitlement_id,
            owner_organization: element.owner_organization_id,
            owner_user: element.owner_user_id,
            within: None,
        },
        ..Wanted::default()
    });
    let decided = decision::decide(graph, consumer.profile, &element.item, &wanted, now);
    noted.decided(graph, &consumer, &element.item, &wanted, &decided);
    match decided {
        Decision::Granted(granted) => {
            out.extend_from_slice(b"{\"granted\":true,\"licenseId\":");
            text::uuid(out, granted.license);
        }
        Decision::Refused(refusal) => refuse(out, refusal.reason.code()),
    }
    if explain {
        let (_, tried) = decision::explain(graph, consumer.profile, &element.item, &wanted, now);
        out.extend_from_slice(b",\"explanation\":");
        let view = View::new(graph, who);
        authz::explanation(out, &tried, consumer.profile, &element.item, &view, now);
    }
    out.push(b'}');
    Ok(())
}

/// All but the closing brace.
fn refuse(out: &mut Vec<u8>, code: &str) {
    out.extend_from_slice(b"{\"granted\":false,\"code\":");
    text::string(out, code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_found_where_it_stands() {
        let check = |body: &str, expected: &str| {
            assert!(serde_json::from_str::<Object<Sent<'_>>>(body).is_err(), "{body}");
            assert_eq!(misfit(body.as_bytes()), expected, "{body}");
        };
        check("x", "");
        check("[]", "");
        check("{}", "");
        check("{\"checks\":[],\"explain\":\"yes\"}", "/explain");
        check("{\"checks\":[],\"explain\":null}", "/explain");
        check("{\"checks\":{}}", "/checks");
        check("{\"checks\":[],\"a/b\":1}", "/a~1b");
    }
}
