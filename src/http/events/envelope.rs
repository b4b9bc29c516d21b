//! An event as JSON, by the envelope of `licensing.md` 5.2. Times are milliseconds there.

use std::borrow::Cow;

use uuid::Uuid;

use super::{Audience, SERVER};
use crate::event;
use crate::graph::Graph;
use crate::http::wire::text;
use crate::model::{Commit, Event, Fact, Facts, FieldType, Kind, Value};

/// Of the schema of events this follows.
const VERSION: &str = "1.20.0";

/// `index`: its place in its commit.
pub fn write(out: &mut Vec<u8>, commit: &Commit, index: usize, event: &Event, graph: &Graph, audience: Audience) {
    // What it is about was the reader's own.
    let hides = |id: Uuid| id != event.object && audience.hides(graph, id);
    out.extend_from_slice(b"{\"eventType\":");
    text::string(out, &event.name);
    out.extend_from_slice(b",\"eventId\":\"");
    text::unsigned(out, commit.revision);
    out.push(b'-');
    text::unsigned(out, index as u64);
    out.extend_from_slice(b"\",\"eventObjectId\":");
    text::uuid(out, event.object);
    out.extend_from_slice(b",\"eventObjectType\":");
    text::string(out, &event.object_type);
    out.extend_from_slice(b",\"eventSourceId\":");
    match event.whose.and_then(|whose| event::source::id_of(graph, whose)) {
        Some(organization) => text::uuid(out, organization),
        None => text::string(out, SERVER),
    }
    out.extend_from_slice(b",\"eventReceived\":");
    text::integer(out, commit.at.millis());
    out.extend_from_slice(b",\"version\":");
    text::string(out, VERSION);
    out.extend_from_slice(b",\"data\":{");
    let facts = match audience {
        Audience::All => Cow::Borrowed(&event.facts),
        Audience::Of(_) => Cow::Owned(event::without(&event.facts, &hides)),
    };
    of_event(out, event, &facts);
    // Whom it is about stands before who did it, and when it happened before when it was stored.
    let of_commit = [
        ("userId", commit.by.profile.filter(|id| !hides(*id)).map(Value::Uuid)),
        ("requestId", Some(Value::text(&commit.request_id))),
        ("eventTime", Some(Value::Time(commit.at))),
    ];
    for (name, value) in of_commit {
        if let Some(value) = value.filter(|_| event.facts.iter().all(|(named, _)| named != name)) {
            member(out, name, &value.into());
        }
    }
    out.extend_from_slice(b"}}");
}

fn member(out: &mut Vec<u8>, name: &str, fact: &Fact) {
    start(out, name);
    value(out, fact);
}

fn start(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    text::string(out, name);
    out.push(b':');
}

/// A field of type JSON is told as what it is, and not as its text.
fn of_event(out: &mut Vec<u8>, event: &Event, facts: &Facts) {
    let kind = Kind::named(&event.object_type);
    let is_json = |name: &str| {
        let field = kind.and_then(|kind| Some(&kind.def().fields[usize::from(kind.field(name)?)]));
        field.is_some_and(|field| field.field_type == FieldType::Json)
    };
    for (name, fact) in facts {
        let Some(fields) = of_object(name, fact) else {
            member(out, name, fact);
            continue;
        };
        start(out, name);
        out.push(b'{');
        for (name, fact) in fields {
            match fact {
                Fact::One(Value::Text(json)) if is_json(name) => {
                    start(out, name);
                    out.extend_from_slice(json.as_bytes());
                }
                fact => member(out, name, fact),
            }
        }
        out.push(b'}');
    }
}

/// Fields of what the event is about.
fn of_object<'f>(name: &str, fact: &'f Fact) -> Option<&'f Facts> {
    match fact {
        Fact::Group(fields) if ["modifiedFields", "oldFields", "previousState"].contains(&name) => Some(fields),
        _ => None,
    }
}

fn members(out: &mut Vec<u8>, facts: &Facts) {
    for (name, fact) in facts {
        member(out, name, fact);
    }
}

fn value(out: &mut Vec<u8>, fact: &Fact) {
    let group = |out: &mut Vec<u8>, facts: &Facts| {
        out.push(b'{');
        members(out, facts);
        out.push(b'}');
    };
    match fact {
        Fact::Nothing => out.extend_from_slice(b"null"),
        Fact::One(Value::Bool(flag)) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Fact::One(Value::Int(number)) => text::integer(out, *number),
        Fact::One(Value::Time(time)) => text::integer(out, time.millis()),
        Fact::One(Value::Uuid(id)) => text::uuid(out, *id),
        Fact::One(Value::Text(words)) => text::string(out, words),
        Fact::Group(facts) => group(out, facts),
        Fact::List(list) => {
            out.push(b'[');
            for (at, facts) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                group(out, facts);
            }
            out.push(b']');
        }
    }
}
