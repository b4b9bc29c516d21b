//! Every key but the limits, which `Limits::ALL` lists: what it takes, and where it goes.

use super::Settings;

use Wanted::{Flag, OneOf, Origins, Text, Url, Whole};

#[derive(Clone, Copy)]
pub enum Wanted {
    Text,
    OneOf(&'static [&'static str]),
    Flag,
    Whole {
        least: u64,
        most: u64,
    },
    /// Where clients reach the server.
    Url,
    /// Whose pages may ask: as a browser names them, or `*`.
    Origins,
}

pub struct Key {
    pub name: &'static str,
    pub wanted: Wanted,
    pub set: fn(&mut Settings, Given),
}

/// A value that fits its key: the type was checked before.
pub enum Given {
    Text(String),
    Flag(bool),
    Whole(u64),
    Texts(Vec<String>),
}

impl Given {
    pub fn text(self) -> String {
        if let Self::Text(text) = self {
            text
        } else {
            String::new()
        }
    }
    pub fn flag(self) -> bool {
        matches!(self, Self::Flag(true))
    }
    pub fn whole(self) -> u64 {
        if let Self::Whole(number) = self { number } else { 0 }
    }
    pub fn texts(self) -> Vec<String> {
        if let Self::Texts(texts) = self {
            texts
        } else {
            Vec::new()
        }
    }
}

pub const ANY: u64 = i64::MAX as u64;

const fn key(name: &'static str, wanted: Wanted, set: fn(&mut Settings, Given)) -> Key {
    Key { name, wanted, set }
}

#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("listen", Text, |set, given| set.listen = given.text()),
    key("database", Text, |set, given| set.database = given.text()),
    key("public_url", Url, |set, given| set.public_url = Some(given.text())),
    key("log.level", OneOf(&["error", "warn", "info", "debug", "trace"]), |set, given| set.log.level = given.text()),
    key("log.format", OneOf(&["text", "json"]), |set, given| set.log.format = given.text()),
    key("log.requests", Flag, |set, given| set.log.requests = given.flag()),
    key("log.slow_ms", Whole { least: 0, most: ANY }, |set, given| set.log.slow_ms = given.whole()),
    key("registration", OneOf(&["open", "closed"]), |set, given| set.open_registration = given.text() == "open"),
    key("compat.get_operations", Flag, |set, given| set.get_operations = given.flag()),
    key("cors.origins", Origins, |set, given| set.cors_origins = given.texts()),
    key("metrics.open", Flag, |set, given| set.metrics_open = given.flag()),
    key("events.checks", Flag, |set, given| set.check_events = given.flag()),
    key("keys.file", Text, |set, given| set.keys_file = Some(given.text())),
    key("doors.uipath", Flag, |set, given| set.doors.uipath = given.flag()),
    key("doors.iblai", Flag, |set, given| set.doors.iblai = given.flag()),
    key("doors.tizra", Flag, |set, given| set.doors.tizra = given.flag()),
];

/// Limits that guard a stack or a protocol: past these they would no longer protect anything.
pub fn ceiling(limit: &str) -> u64 {
    match limit {
        // The parser recurses once a level, the JSON reader too, and serde_json stops at 128 by itself.
        "nesting" => 256,
        "json_depth" => 120,
        // actix-web reads no more than 128 KiB of request head.
        "selector_bytes" => 64 * 1024,
        // A password has no more than 1024 bytes, which are 256 characters of any script.
        "password_min" => 256,
        _ => ANY,
    }
}
