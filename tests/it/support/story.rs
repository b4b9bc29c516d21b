//! A conformance story: a seed, a frozen time, steps over HTTP and what each must answer. Read from a file, told to a
//! server over any storage.
//!
//! Besides what a step expects in so many words, every story is held to this: what is refused (by its status, or by the
//! envelope of an operation), what only reads and what runs dry changes nothing; at the end the graph is whole; and a
//! database opened again answers what it answered before.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use seatgraph::model::{Clock, Time};
use seatgraph::settings::{self, Settings};
use seatgraph::storage::Storage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{self, Response};
use super::compare;
use super::server::{ADMIN, Server};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What it tells.
    pub story: String,
    /// Which sentence of the reference it holds the server to.
    pub source: String,
    #[serde(default)]
    seed: Seed,
    #[serde(default = "noon")]
    now: String,
    /// As in `SEATGRAPH_LIMITS__PAGE=2`: the key of the setting and its text.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    steps: Vec<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Seed {
    #[default]
    Empty,
    /// A file below `fixtures/seed`; `NAME.names.json` beside it names its ids.
    File(String),
    Lines(Vec<Value>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// `GET /graph/me`, `CLOCK 2026-02-01T00:00:00.000Z`, or `RESTART`.
    r#do: String,
    /// `admin`, `anonymous`, or the name of a token that was saved.
    r#as: Option<String>,
    /// One that has several lines is sent as several of that name.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A text is sent as it is, anything else as JSON.
    body: Option<Value>,
    /// What `{fill}` stands for: a text, so many times.
    fill: Option<(String, usize)>,
    expect: Option<Expect>,
    /// Name to JSON pointer, `header:ETag`, `link` to the next page, or `text` for the whole body.
    #[serde(default)]
    save: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: u16,
    /// `null`: the header is not there.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    body: Option<Value>,
    /// The body is a list of these objects.
    items: Option<Vec<Value>>,
    /// The body is this count.
    count: Option<u64>,
    /// What stands at JSON pointers into the body.
    #[serde(default)]
    at: BTreeMap<String, Value>,
    /// How many elements the lists at JSON pointers have.
    #[serde(default)]
    length: BTreeMap<String, usize>,
    /// The body as text.
    text: Option<String>,
    /// The body is a token with these claims, signed by a key of `jwks.json`; a list: so many tokens, joined with `&`.
    jwt: Option<Value>,
    /// The body as JSON lines.
    lines: Option<Vec<Value>>,
    /// The body is a problem document with this code, and these further members, and no others.
    problem: Option<Map<String, Value>>,
    /// The body is the envelope of a named operation that did it, with these objects and no other members than those of `at`.
    done: Option<Vec<Value>>,
    /// The body is the envelope of a named operation that says no.
    refused: Option<Refused>,
    /// Texts that are nowhere in the answer.
    #[serde(default)]
    absent: Vec<String>,
    /// What became of the graph, and nothing else did: see `diff`.
    changes: Option<Vec<String>>,
    /// Whether the graph is another one afterwards.
    changed: Option<bool>,
}

/// The stable code of a refusal, and the parameter it is about.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Refused {
    Code(String),
    At(String, String),
}

fn noon() -> String {
    "2026-01-15T12:00:00.000Z".to_owned()
}

/// What went wrong, and at which step.
#[derive(Debug)]
pub struct Failed {
    step: usize,
    told: String,
    why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "step {} ({}): {}", self.step, self.told, self.why)
    }
}

/// Everything a story knows while it is told.
struct Telling<'s> {
    story: &'s Story,
    clock: Arc<Clock>,
    settings: Settings,
    server: Option<Server>,
    /// What `{name}` stands for.
    names: BTreeMap<String, String>,
    /// What `"$name"` stands for: a seeded object as it is answered.
    objects: BTreeMap<String, Value>,
    /// Reads since the last write, with their answers.
    reads: Vec<Reading>,
}

/// A read with its answer, to be asked again.
struct Reading {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    answer: Response,
}

impl Story {
    /// The stories of a file: a list of them.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        let text = std::fs::read_to_string(path).map_err(|cause| cause.to_string())?;
        serde_json::from_str(&text).map_err(|cause| cause.to_string())
    }

    /// Tells it. `open` opens the store, and opens it again: `keeps` says whether it then has what it had.
    pub fn tell(&self, open: &dyn Fn() -> Box<dyn Storage>, keeps: bool) -> Result<(), Failed> {
        let failed = |step: usize, told: &str, why: String| Failed {
            step,
            told: told.to_owned(),
            why,
        };
        let now = Time::parse(&self.now).ok_or_else(|| failed(0, "now", format!("`{}` is no time", self.now)))?;
        let variables: Vec<(String, String)> = self
            .settings
            .iter()
            .map(|(key, value)| {
                (
                    format!("SEATGRAPH_{}", key.replace('.', "__").to_uppercase()),
                    value.clone(),
                )
            })
            .collect();
        let settings =
            settings::read(&[], &variables, None).map_err(|cause| failed(0, "settings", cause.to_string()))?;
        let mut telling = Telling {
            story: self,
            clock: Arc::new(Clock::frozen(now)),
            settings,
            server: None,
            names: BTreeMap::from([("now".to_owned(), self.now.clone())]),
            objects: BTreeMap::new(),
            reads: Vec::new(),
        };
        telling.start(open);
        telling.sow().map_err(|why| failed(0, "seed", why))?;
        for (index, step) in self.steps.iter().enumerate() {
            telling
                .step(step, open, keeps)
                .map_err(|why| failed(index + 1, &step.r#do, why))?;
        }
        telling
            .end(open, keeps)
            .map_err(|why| failed(self.steps.len() + 1, "the end", why))
    }
}

impl Telling<'_> {
    fn start(&mut self, open: &dyn Fn() -> Box<dyn Storage>) {
        self.server = None;
        self.server = Some(Server::start(open(), self.clock.clone(), &self.settings));
    }

    fn server(&self) -> Result<&Server, String> {
        self.server.as_ref().ok_or_else(|| "no server".to_owned())
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<Response, String> {
        client::send(self.server()?.address, method, target, headers, body).map_err(|cause| cause.to_string())
    }

    fn sow(&mut self) -> Result<(), String> {
        let lines: Vec<Value> = match &self.story.seed {
            Seed::Empty => return Ok(()),
            Seed::Lines(lines) => lines.clone(),
            Seed::File(name) => {
                let text = std::fs::read_to_string(super::path("fixtures/seed").join(name))
                    .map_err(|cause| cause.to_string())?;
                let names = super::path("fixtures/seed").join(name.replace(".ndjson", ".names.json"));
                if let Ok(names) = std::fs::read_to_string(names) {
                    let names: BTreeMap<String, String> =
                        serde_json::from_str(&names).map_err(|cause| cause.to_string())?;
                    self.names.extend(names);
                }
                let lines: Result<_, _> = text.lines().map(serde_json::from_str).collect();
                lines.map_err(|cause| cause.to_string())?
            }
        };
        let mut serial = 0;
        let mut by_id = BTreeMap::new();
        for line in &lines {
            if let Some(id) = line["id"].as_str() {
                serial += 1;
                by_id.insert(id.to_owned(), as_answered(line, serial, &self.story.now));
            }
        }
        for (name, id) in &self.names {
            if let Some(object) = by_id.get(id) {
                self.objects.insert(name.clone(), object.clone());
            }
        }
        let body = super::lines(lines);
        let headers = [
            ("Authorization", format!("Bearer {ADMIN}")),
            ("Content-Type", "application/x-ndjson".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let answer = self.send("POST", "/import", &headers, Some(body.as_bytes()))?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(format!("{} {}", answer.status, answer.text()))
        }
    }

    fn step(&mut self, step: &Step, open: &dyn Fn() -> Box<dyn Storage>, keeps: bool) -> Result<(), String> {
        let fill = step.fill.as_ref().map(|(text, times)| text.repeat(*times));
        let asked = self.replaced(&step.r#do, fill.as_deref());
        let (method, target) = asked.split_once(' ').unwrap_or((&asked, ""));
        match method {
            "CLOCK" => {
                self.clock
                    .set(Time::parse(target).ok_or_else(|| format!("`{target}` is no time"))?);
                self.names.insert("now".to_owned(), target.to_owned());
                self.reads.clear();
                return Ok(());
            }
            "RESTART" => {
                if keeps {
                    self.start(open);
                }
                return Ok(());
            }
            _ => {}
        }
        let mut headers: Vec<(String, String)> = step
            .headers
            .iter()
            .flat_map(|(name, value)| {
                let value = self.replaced(value, fill.as_deref());
                let lines: Vec<_> = value.split('\n').map(|line| (name.clone(), line.to_owned())).collect();
                lines
            })
            .collect();
        let has = |headers: &[(String, String)], wanted: &str| {
            headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        match step.r#as.as_deref().unwrap_or("admin") {
            "anonymous" => {}
            _ if has(&headers, "authorization") => {}
            "admin" => headers.push(("Authorization".to_owned(), format!("Bearer {ADMIN}"))),
            name => {
                let token = self
                    .names
                    .get(name)
                    .ok_or_else(|| format!("nobody is called `{name}`"))?;
                headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
            }
        }
        let body = match &step.body {
            None => None,
            Some(Value::String(text)) => Some(self.replaced(text, fill.as_deref())),
            Some(json) => {
                if !has(&headers, "content-type") {
                    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
                }
                Some(self.filled(json, fill.as_deref())?.to_string())
            }
        };
        let compares = step.expect.as_ref().is_some_and(|expect| expect.changes.is_some());
        let lines_before = if compares { self.exported()? } else { Vec::new() };
        let before = self.server()?.engine.snapshot();
        let answer = self.send(method, target, &headers, body.as_deref().map(str::as_bytes))?;
        if method == "GET"
            && target.starts_with("/graph/")
            && !["operation=", "explain="].iter().any(|part| target.contains(part))
            && answer.status == 200
        {
            // The second time it is remembered, and told from memory the third.
            for _ in 0..2 {
                let again = self.send(method, target, &headers, None)?;
                if (again.status, &again.body) != (answer.status, &answer.body) {
                    return Err(format!("asked again: {} {}", again.status, again.text()));
                }
            }
        }
        let after = self.server()?.engine.snapshot();
        // A refusal and a check may be told as events, in a commit that changes nothing.
        let only_tells = ["/authz", "/checks"].iter().any(|path| target.starts_with(path));
        let has_moved = before.revision() != after.revision();
        let changed = (has_moved && !only_tells) || before.digest() != after.digest();
        drop((before, after));
        let sent = |text: &str| target.contains(text) || body.as_ref().is_some_and(|body| body.contains(text));
        let reads = matches!(method, "GET" | "HEAD" | "OPTIONS") && !target.contains("operation=");
        let is_form = headers
            .iter()
            .any(|(_, value)| value.starts_with("application/x-www-form-urlencoded"));
        let is_operation = target.starts_with("/graph") && (sent("operation=") || is_form);
        let says_no = serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body["resultCode"] == "Failed");
        // Cursors are sealed with a key of the running server.
        let repeatable = !target.contains("explain=true") && !target.contains("cursor=");
        if reads && answer.status == 200 && repeatable && target.starts_with("/graph") {
            self.reads.push(Reading {
                method: method.to_owned(),
                target: target.to_owned(),
                headers,
                answer: answer.clone(),
            });
        }
        if has_moved {
            self.reads.clear();
        }
        if let Some(expect) = &step.expect {
            self.hold(expect, &answer, is_operation, fill.as_deref())
                .map_err(|why| format!("{why}\n  answer: {} {}", answer.status, answer.text()))?;
            if let Some(expected) = &expect.changes {
                let found = self.diff(&lines_before, &self.exported()?);
                if found != *expected {
                    return Err(format!(
                        "expected the changes {expected:?}, found {}",
                        serde_json::json!(found)
                    ));
                }
            }
            if expect.changed.is_some_and(|expected| expected != changed) {
                return Err(format!(
                    "the graph {}",
                    if changed { "was changed" } else { "is as it was" }
                ));
            }
        } else if answer.status >= 300 || says_no {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        let may_change = step.expect.as_ref().and_then(|expect| expect.changed) == Some(true);
        if changed && !may_change && (reads || answer.status >= 400) {
            return Err(format!("{} and the graph was changed", answer.status));
        }
        if changed && (says_no || sent("dryRun=true")) {
            return Err(format!("the graph was changed, and the answer is {}", answer.text()));
        }
        for (name, place) in &step.save {
            let saved = match place.strip_prefix("header:") {
                _ if place == "text" => Some(answer.text()),
                // Where the next page is, as a browser follows it, and a proxy that takes the path of the public address away.
                _ if place == "link" => answer.header("link").and_then(|link| {
                    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
                    let public = self
                        .settings
                        .public_url
                        .as_deref()
                        .and_then(|url| url.split_once("://"));
                    let path = public.map_or("", |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
                    // There are clients that end an address at the first `;`.
                    let is_plain = rest == "; rel=\"next\"" && !target.contains(';');
                    target.strip_prefix(path).filter(|_| is_plain).map(str::to_owned)
                }),
                Some(header) => answer.header(header).map(str::to_owned),
                None => serde_json::from_slice::<Value>(&answer.body).ok().and_then(|body| {
                    let value = body.pointer(place)?;
                    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }),
            };
            let saved = saved.ok_or_else(|| format!("nothing to save at `{place}`: {}", answer.text()))?;
            self.names.insert(name.clone(), saved);
        }
        Ok(())
    }

    fn hold(&self, expect: &Expect, answer: &Response, is_operation: bool, fill: Option<&str>) -> Result<(), String> {
        if answer.status != expect.status {
            return Err(format!("expected {}", expect.status));
        }
        for (name, expected) in &expect.headers {
            let found = answer.header(name);
            let fits = match expected.as_deref() {
                None => found.is_none(),
                Some("$any") => found.is_some(),
                Some(text) => found == Some(&self.replaced(text, fill)),
            };
            if !fits {
                return Err(format!("the header `{name}` is {found:?}, expected {expected:?}"));
            }
        }
        let parsed = || serde_json::from_slice::<Value>(&answer.body).map_err(|cause| format!("no JSON: {cause}"));
        let compared = |expected: &Value, found: &Value| match compare::difference(expected, found) {
            Some(difference) => Err(difference),
            None => Ok(()),
        };
        if let Some(expected) = &expect.body {
            compared(&self.filled(expected, fill)?, &parsed()?)?;
        }
        if let Some(items) = &expect.items {
            compared(
                &self.filled(&json!({"__objType": "ArrayList", "Items": items}), fill)?,
                &parsed()?,
            )?;
        }
        if let Some(count) = expect.count {
            compared(&json!({"__objType": "Long", "value": count}), &parsed()?)?;
        }
        for (place, expected) in &expect.at {
            let body = parsed()?;
            let found = body
                .pointer(place)
                .ok_or_else(|| format!("there is nothing at `{place}`"))?;
            compared(&self.filled(expected, fill)?, found).map_err(|why| format!("below `{place}`, {why}"))?;
        }
        for (place, expected) in &expect.length {
            let found = parsed()?.pointer(place).and_then(Value::as_array).map(Vec::len);
            if found != Some(*expected) {
                return Err(format!(
                    "at `{place}` there are {found:?} elements, expected {expected}"
                ));
            }
        }
        if let Some(expected) = &expect.text {
            let expected = self.replaced(expected, fill);
            if answer.text() != expected {
                return Err(format!("expected the text {expected:?}"));
            }
        }
        if let Some(expected) = &expect.jwt {
            let found = match expected {
                Value::Array(_) => answer.text().split('&').map(|token| self.claims(token)).collect(),
                _ => self.claims(&answer.text()),
            };
            compared(&self.filled(expected, fill)?, &found?)?;
        }
        if let Some(expected) = &expect.lines {
            let found: Result<Vec<Value>, _> = answer.text().lines().map(serde_json::from_str).collect();
            let found = found.map_err(|cause| format!("no JSON lines: {cause}"))?;
            compared(&self.filled(&Value::from(expected.clone()), fill)?, &Value::from(found))?;
        }
        if let Some(objects) = &expect.done {
            let mut found = parsed()?;
            for place in expect.at.keys().filter_map(|place| place.strip_prefix('/')) {
                let member = place.split('/').next().unwrap_or_default();
                let always = ["__objType", "resultCode", "objects"].contains(&member);
                if let Some(members) = found.as_object_mut().filter(|_| !always) {
                    members.remove(member);
                }
            }
            let expected = json!({
                "__objType": "$any", "resultCode": "Success", "objects": {"__objType": "ArrayList", "Items": objects}
            });
            compared(&self.filled(&expected, fill)?, &found)?;
        }
        if let Some(refused) = &expect.refused {
            hold_refused(refused, answer)?;
        }
        if let Some(problem) = &expect.problem {
            self.hold_problem(
                &self.filled(&Value::Object(problem.clone()), fill)?,
                answer,
                is_operation,
            )?;
        }
        for absent in &expect.absent {
            let absent = self.replaced(absent, fill);
            if answer.text().contains(&absent) {
                return Err(format!("`{absent}` is in the answer"));
            }
        }
        Ok(())
    }

    /// What a token says, to a client that knows the server's public keys: the first of its algorithm, whatever `kid` says, as the
    /// clients of `licensing.md` 1.4 do. Read by an implementation that is not the server's.
    fn claims(&self, token: &str) -> Result<Value, String> {
        let document = self.send("GET", "/.well-known/jwks.json", &[], None)?;
        let keys: jsonwebtoken::jwk::JwkSet =
            serde_json::from_slice(&document.body).map_err(|cause| cause.to_string())?;
        let header = jsonwebtoken::decode_header(token).map_err(|cause| format!("no token: {cause}"))?;
        let named = |key: &&jsonwebtoken::jwk::Jwk| {
            let algorithm = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
            algorithm == Some(format!("{:?}", header.alg))
        };
        let key = keys.keys.iter().find(named).ok_or("no key of its algorithm")?;
        if key.common.key_id != header.kid || header.typ.as_deref() != Some("JWT") {
            return Err(format!(
                "the header is {header:?}, the first key {:?}",
                key.common.key_id
            ));
        }
        let key = jsonwebtoken::DecodingKey::from_jwk(key).map_err(|cause| cause.to_string())?;
        let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
        match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, header.alg) {
            Ok(true) => {}
            other => return Err(format!("the signature is not the key's: {other:?}")),
        }
        let read = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
        read.map(|read| read.claims).map_err(|cause| cause.to_string())
    }

    /// RFC 9457 with what design 16 adds: everything a problem always has is checked here, once.
    fn hold_problem(&self, problem: &Value, answer: &Response, is_operation: bool) -> Result<(), String> {
        if answer.header("content-type") != Some("application/problem+json") {
            return Err(format!("the content type is {:?}", answer.header("content-type")));
        }
        let found: Value = serde_json::from_slice(&answer.body).map_err(|cause| format!("no JSON: {cause}"))?;
        let code = problem["code"]
            .as_str()
            .ok_or("a problem is expected without its code")?;
        let mut expected = json!({
            "type": format!("urn:seatgraph:{code}"), "status": answer.status, "title": "$any", "detail": "$any", "requestId": "$any"
        });
        if let (Some(expected), Some(problem)) = (expected.as_object_mut(), problem.as_object()) {
            // Whoever is refused is helped on, whatever it is about.
            expected.insert("help".to_owned(), json!("$any"));
            if found.get("caret").is_some() {
                expected.insert("caret".to_owned(), json!("$any"));
            }
            // Clients of the envelope find their words in a problem too (`graph-api.md` 5).
            if is_operation {
                let message = json!({"key": code, "messageTemplate": found["detail"]});
                let parser = found.get("parameterParserResult").is_some();
                expected.insert("resultCode".to_owned(), json!("Failed"));
                expected.insert("errorMessage".to_owned(), message.clone());
                expected.insert("errorTechnical".to_owned(), json!("$any"));
                // What the operation itself refused was processed; all else was not.
                let refused = matches!(answer.status, 404 | 409 | 422) && code != "idempotencyKeyReused";
                if parser {
                    expected.insert("parameterParserResult".to_owned(), json!({"resultCode": "Failed"}));
                } else if refused {
                    let result = json!({"resultCode": "Failed", "errorMessage": message});
                    expected.insert("processingResult".to_owned(), result);
                }
            }
            expected.extend(problem.clone());
        }
        if let Some(difference) = compare::difference(&expected, &found) {
            return Err(difference);
        }
        let texts = ["title", "detail", "help"].map(|member| found[member].as_str().unwrap_or_default().to_owned());
        if texts.iter().any(String::is_empty) || texts[1].ends_with('.') {
            return Err(format!("not said well: {texts:?}"));
        }
        match found["requestId"].as_str() {
            Some(id) if answer.header("x-request-id").is_none_or(|header| header == id) => Ok(()),
            other => Err(format!(
                "the request id is {other:?}, in the header {:?}",
                answer.header("x-request-id")
            )),
        }
    }

    fn export(&self) -> Result<String, String> {
        let admin = [("Authorization".to_owned(), format!("Bearer {ADMIN}"))];
        Ok(self.send("GET", "/export", &admin, None)?.text())
    }

    fn exported(&self) -> Result<Vec<Value>, String> {
        let text = self.export()?;
        let lines: Result<_, _> = text.lines().map(serde_json::from_str).collect();
        lines.map_err(|cause| format!("the export is no JSON: {cause}"))
    }

    /// What differs between two exports, sorted: `+License`, `-Membership aino crew`, `~Assignment aino-seat
    /// reservationType=denied validUntil=`. When a thing was updated is not told: it follows.
    fn diff(&self, before: &[Value], after: &[Value]) -> Vec<String> {
        let named = |id: &Value| {
            let id = id.as_str().filter(|id| id.len() == 36)?;
            self.names
                .iter()
                .find(|(_, known)| *known == id)
                .map(|(name, _)| name.clone())
        };
        // What a line is of: an id, or for a relation its type with its ends.
        let key = |line: &Value| match line["id"].as_str() {
            Some(id) => id.to_owned(),
            None => format!("{} {}", line["__objType"], line["referenceFields"]),
        };
        let told = |sign: char, line: &Value| {
            let kind = line["__objType"].as_str().unwrap_or_default();
            let ends = line["referenceFields"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, id)| id);
            let ids: Vec<&Value> = match line.get("id") {
                Some(id) => vec![id],
                None => ends.collect(),
            };
            ids.into_iter()
                .fold(format!("{sign}{kind}"), |told, id| match named(id) {
                    Some(name) => format!("{told} {name}"),
                    None if line.get("id").is_some() => told,
                    None => format!("{told} ?"),
                })
        };
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (
            before.iter().map(|line| (key(line), line)).collect(),
            after.iter().map(|line| (key(line), line)).collect(),
        );
        let mut all = Vec::new();
        all.extend(
            old.iter()
                .filter(|(key, _)| !new.contains_key(*key))
                .map(|(_, line)| told('-', line)),
        );
        for (key, line) in &new {
            let Some(before) = old.get(key) else {
                all.push(told('+', line));
                continue;
            };
            let (before, after) = (flat(before), flat(line));
            let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let differ = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
            let fields: Vec<String> = differ
                .map(|key| match after.get(key) {
                    None => format!(" {key}="),
                    Some(value) => match named(value) {
                        Some(name) => format!(" {key}={name}"),
                        None => format!(
                            " {key}={}",
                            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                        ),
                    },
                })
                .collect();
            if !fields.is_empty() {
                all.push(format!("{}{}", told('~', line), fields.concat()));
            }
        }
        all.sort();
        all
    }

    fn end(&mut self, open: &dyn Fn() -> Box<dyn Storage>, keeps: bool) -> Result<(), String> {
        let graph = self.server()?.engine.snapshot();
        graph
            .check()
            .map_err(|faults| format!("the graph is not whole: {}", faults.join("; ")))?;
        let (revision, digest) = (graph.revision(), graph.digest());
        drop(graph);
        if !keeps {
            return Ok(());
        }
        let export = self.export()?;
        self.start(open);
        let graph = self.server()?.engine.snapshot();
        if (graph.revision(), graph.digest()) != (revision, digest) {
            return Err("another graph came back from the disk".to_owned());
        }
        if self.export()? != export {
            return Err("another export after the restart".to_owned());
        }
        for Reading {
            method,
            target,
            headers,
            answer: before,
        } in &self.reads
        {
            let after = self.send(method, target, headers, None)?;
            let same = |name: &str| before.header(name) == after.header(name);
            if (after.status, lasting(&after.body)) != (before.status, lasting(&before.body))
                || !same("etag")
                || !same("graph-revision")
            {
                return Err(format!(
                    "after a restart `{target}` answers {} {}",
                    after.status,
                    after.text()
                ));
            }
        }
        Ok(())
    }

    /// Every `{name}` that is known. What is not known stays: selectors have braces of their own.
    fn replaced(&self, text: &str, fill: Option<&str>) -> String {
        let mut text = text.to_owned();
        if let Some(fill) = fill {
            text = text.replace("{fill}", fill);
        }
        for (name, value) in &self.names {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// The same in all texts, with `"$name"` and `{"$of":"name", …}` standing for seeded objects, whole or changed.
    fn filled(&self, value: &Value, fill: Option<&str>) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$').and_then(|name| self.objects.get(name)) {
                Some(object) => object.clone(),
                None => Value::String(self.replaced(text, fill)),
            },
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.filled(item, fill))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => {
                let mut filled = Map::new();
                if let Some(name) = members.get("$of").and_then(Value::as_str) {
                    let object = self
                        .objects
                        .get(name)
                        .ok_or_else(|| format!("nothing is called `{name}`"))?;
                    filled = object.as_object().cloned().unwrap_or_default();
                }
                for (name, value) in members.iter().filter(|(name, _)| *name != "$of") {
                    if value.is_null() && members.contains_key("$of") {
                        filled.remove(name);
                    } else {
                        filled.insert(self.replaced(name, fill), self.filled(value, fill)?);
                    }
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }
}

/// A line's fields and references, without when it was updated.
fn flat(line: &Value) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = line
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    all.remove("updated");
    if let Some(Value::Object(references)) = all.remove("referenceFields") {
        all.extend(references);
    }
    all
}

/// The whole envelope of `graph-api.md` 2.7; of a dry run that is refused, too.
fn hold_refused(refused: &Refused, answer: &Response) -> Result<(), String> {
    let (code, parameter) = match refused {
        Refused::Code(code) => (code, None),
        Refused::At(code, parameter) => (code, Some(parameter)),
    };
    if answer.header("content-type") != Some("application/json") {
        return Err(format!("the content type is {:?}", answer.header("content-type")));
    }
    if answer.header("graph-revision").is_none() {
        return Err("there is no `Graph-Revision`".to_owned());
    }
    let found: Value = serde_json::from_slice(&answer.body).map_err(|cause| format!("no JSON: {cause}"))?;
    let message = json!({"key": code, "messageTemplate": found["errorMessage"]["messageTemplate"]});
    let mut expected = json!({
        "__objType": "$any", "resultCode": "Failed", "errorMessage": message, "errorTechnical": "$any",
        "processingResult": {"resultCode": "Failed", "errorMessage": message},
        "objects": {"__objType": "ArrayList", "Items": []}
    });
    if found.get("dryRun").is_some() {
        expected["dryRun"] = json!(true);
        expected["changes"] = json!([]);
    }
    if let Some(difference) = compare::difference(&expected, &found) {
        return Err(difference);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, told, technical) = (
        text(&found["__objType"]),
        text(&found["errorMessage"]["messageTemplate"]),
        text(&found["errorTechnical"]),
    );
    if !kind.ends_with("Result") || told.is_empty() || told.ends_with('.') || !technical.contains(&told) {
        return Err(format!("not said well: {kind}, {told:?}, {technical:?}"));
    }
    let named = technical
        .strip_prefix('`')
        .and_then(|rest| rest.split_once("`: "))
        .map(|(name, _)| name);
    match (parameter, named) {
        (Some(parameter), named) if named != Some(parameter.as_str()) => {
            Err(format!("it is about {named:?}, expected `{parameter}`"))
        }
        _ => Ok(()),
    }
}

/// A body without what a restart makes anew.
fn lasting(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut members)) if members.contains_key("nextCursor") => {
            members.remove("nextCursor");
            Value::Object(members).to_string().into_bytes()
        }
        _ => body.to_vec(),
    }
}

/// A line of a seed as the server answers it (`graph-api.md` 2.2 and 4.2): with serial and times, and its references as a map.
fn as_answered(line: &Value, serial: u64, now: &str) -> Value {
    let mut object = line.as_object().cloned().unwrap_or_default();
    object.insert("serial".to_owned(), json!(serial));
    object.insert("created".to_owned(), json!(now));
    object.insert("updated".to_owned(), json!(now));
    if let Some(Value::Object(references)) = object.remove("referenceFields") {
        let entries: Vec<Value> = references
            .iter()
            .map(|(key, id)| {
                json!({"__objType": "KeyValue", "key": {"__objType": "String", "value": key}, "value": {"__objType": "UUID", "value": id}})
            })
            .collect();
        object.insert(
            "referenceFields".to_owned(),
            json!({"__objType": "HashMap", "Entries": entries}),
        );
    }
    Value::Object(object)
}
