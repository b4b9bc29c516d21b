//! What holds for any bytes at all as a body: it is read, or refused with a code, words and a place that is in it; and
//! neither space nor the order of its members decides which.

use seatgraph::http::wire::{BodyError, import_line, objects};
use seatgraph::limits::Limits;
use seatgraph::operation::input::{ImportLine, ObjectInput};
use serde_json::Value;

pub fn body(data: &[u8]) {
    let limits = Limits::default();
    let json: Option<Value> = serde_json::from_slice(data).ok();
    let line = import_line(data, &limits);
    let all = objects(data, &limits);

    // What `json` does not have: a member that is given twice, an integer of more than 64 bits.
    let (mut places, mut lost) = (Vec::new(), false);
    if let Ok(line) = &line {
        place_of_line(line, &mut places);
    }
    all.iter().flatten().for_each(|object| place_of(object, &mut places));
    for error in [line.as_ref().err(), all.as_ref().err()].into_iter().flatten() {
        refused(error, data, json.as_ref());
        lost |= error.code == "repeatedMember" || error.message.contains("too large to be kept");
    }
    for place in places {
        let found = json.as_ref().and_then(|json| json.pointer(&place));
        assert!(found.is_some_and(Value::is_object), "an object at {place:?}");
    }
    if let (Some(json), false) = (&json, lost) {
        let told = serde_json::to_vec_pretty(json).expect("a value is JSON");
        assert_eq!(import_line(&told, &limits).is_ok(), line.is_ok());
        assert_eq!(objects(&told, &limits).is_ok(), all.is_ok());
    }
}

fn refused(error: &BodyError, data: &[u8], json: Option<&Value>) {
    assert!(BodyError::CODES.contains(&error.code), "{}", error.code);
    assert!(
        !error.message.is_empty() && error.message.len() < 2000,
        "{}",
        error.message
    );
    assert_eq!(error.limit.is_some(), error.code == "bodyTooDeep");
    assert_eq!(error.position.is_some(), error.code == "notJson");
    if let Some(at) = error.position {
        assert!(at.byte <= data.len() && at.line >= 1 && at.column >= 1, "{at:?}");
        let before = data[..at.byte].iter().filter(|byte| **byte == b'\n').count();
        // The end of a text may be told as the end of its last line.
        assert!(at.line == before + 1 || at.line == before + 2, "{at:?}");
    }
    if let Some(json) = json {
        assert!(error.code != "notJson", "{error:?}");
        assert!(json.pointer(&error.pointer).is_some(), "{error:?}");
    }
}

fn place_of_line(line: &ImportLine, places: &mut Vec<String>) {
    match line {
        ImportLine::Object(object) => place_of(object, places),
        ImportLine::Relation(relation) => places.push(relation.at.to_string()),
    }
}

/// As deep as bodies may nest.
fn place_of(object: &ObjectInput, places: &mut Vec<String>) {
    places.push(object.at.to_string());
    object
        .related
        .iter()
        .for_each(|related| place_of(&related.object, places));
}
