//! What can be set, in three layers: flags win over `SEATGRAPH_*` variables, those over `seatgraph.toml`.
//! Every key is in one table; a key that is not there stops the start. Declines to act on any of them.

mod host;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::host::url;
use crate::limits::Limits;

/// The settings as the layers left them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `address:port` the server listens on.
    pub listen: String,
    /// A file, or `memory:`.
    pub database: String,
    /// How clients reach this server, where a proxy stands in between. Never taken from a request.
    pub public_url: Option<String>,
    pub log: Log,
    /// Origins a browser may call from.
    pub cors_origins: Vec<String>,
    /// RegisterUser answers callers without a token.
    pub open_registration: bool,
    /// Operations that write answer to GET too.
    pub get_operations: bool,
    /// Whether `/metrics` answers without a token.
    pub metrics_open: bool,
    /// Whether a check leaves an event.
    pub check_events: bool,
    /// The file with the secret that private signing keys are sealed with; made if there is none.
    pub keys_file: Option<String>,
    /// The doors that are open: other vendors' APIs.
    pub doors: Doors,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    pub uipath: bool,
    pub iblai: bool,
    pub tizra: bool,
}

impl Doors {
    /// Those that are open, by name.
    pub fn open(self) -> Vec<&'static str> {
        let all = [("uipath", self.uipath), ("iblai", self.iblai), ("tizra", self.tizra)];
        all.into_iter()
            .filter(|(_, open)| *open)
            .map(|(name, _)| name)
            .collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
    /// A line for every request.
    pub requests: bool,
    /// A line for a request or a batch of writes that took longer, whatever `requests` says; 0 for none.
    pub slow_ms: u64,
}

impl Log {
    pub fn slow(&self) -> Option<Duration> {
        (self.slow_ms > 0).then(|| Duration::from_millis(self.slow_ms))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            database: "seatgraph.db".to_owned(),
            public_url: None,
            log: Log {
                level: "info".to_owned(),
                format: "text".to_owned(),
                requests: false,
                slow_ms: 1000,
            },
            cors_origins: Vec::new(),
            open_registration: false,
            get_operations: false,
            metrics_open: true,
            check_events: false,
            keys_file: None,
            doors: Doors {
                uipath: true,
                iblai: true,
                tizra: true,
            },
            limits: Limits::default(),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    Flag,
    Variable(String),
    File(PathBuf),
}

impl std::fmt::Display for Layer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => out.write_str("on the command line"),
            Self::Variable(name) => write!(out, "in the variable `{name}`"),
            Self::File(path) => write!(out, "in `{}`", path.display()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("unknown setting `{key}` {layer}{}", near.as_ref().map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        key: String,
        layer: Layer,
        near: Option<String>,
    },
    #[error("the setting `{key}` {layer} must be {wanted}, not `{found}`")]
    WrongValue {
        key: String,
        layer: Layer,
        wanted: String,
        found: String,
    },
    #[error("the setting `limits.page` is {page}, more than `limits.page_max`, which is {page_max}")]
    PageTooLarge { page: u64, page_max: u64 },
    #[error("the variable `{variable}` is not UTF-8")]
    NotText { variable: String },
    #[error("cannot read `{}`: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("`{}` is not TOML: {cause}", path.display())]
    NotToml { path: PathBuf, cause: String },
}

impl SettingsError {
    /// What would be right.
    pub fn help(&self) -> Option<String> {
        let Self::Unknown { key, layer, .. } = self else {
            return None;
        };
        Some(match layer {
            Layer::Variable(_) => format!(
                "variables that begin with `SEATGRAPH_` are settings: {}",
                known("")
                    .iter()
                    .map(|key| variable_name(key))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            _ => {
                let section = key.rsplit_once('.').map_or("", |(section, _)| section);
                let known = Some(known(section)).filter(|known| !known.is_empty());
                format!("known here: {}", known.unwrap_or_else(|| self::known("")).join(", "))
            }
        })
    }
}

/// The keys of a section; of none: all but the limits, which are many.
fn known(section: &str) -> Vec<String> {
    let keys = KEYS.iter().map(|key| key.name.to_owned());
    let limits = || Limits::ALL.iter().map(|(name, _)| format!("limits.{name}"));
    match section {
        "" => keys.chain(["limits.…".to_owned()]).collect(),
        "limits" => limits().collect(),
        section => {
            let below = |key: &String| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
            keys.filter(below).collect()
        }
    }
}

/// The file looked for where none is named.
pub const DEFAULT_FILE: &str = "seatgraph.toml";

/// Variables that begin like settings and are something else: secrets, and what the command line is told.
const NOT_SETTINGS: &[&str] = &[
    "TOKEN",
    "ADMIN_TOKEN",
    "KEY_SECRET",
    "CONFIG",
    "SERVER",
    #[cfg(feature = "mutants")]
    "MUTANT",
];

/// What Kubernetes sets in every pod beside a Service named `seatgraph` or `seatgraph-db`: `SEATGRAPH_SERVICE_HOST`,
/// `SEATGRAPH_DB_SERVICE_PORT_HTTP`, `SEATGRAPH_DB_PORT_8080_TCP_ADDR` and the like.
fn is_of_a_service(rest: &str, value: &str) -> bool {
    let is_address = || {
        ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| value.starts_with(scheme))
    };
    let is_port = |rest: &str| {
        let mut parts = rest.split('_');
        parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
            && matches!(parts.next(), None | Some("ADDR" | "PORT" | "PROTO"))
            && parts.next().is_none()
    };
    // The name of the service stands before, and may have any of this in it.
    let after = |word: &str| {
        let ends: Vec<_> = rest.match_indices(word).map(|(at, _)| (at, at + word.len())).collect();
        let begins = move |at: usize| at == 0 || rest.as_bytes()[at - 1] == b'_';
        ends.into_iter()
            .filter(move |(at, _)| begins(*at))
            .map(|(_, end)| &rest[end..])
    };
    after("SERVICE_HOST").any(str::is_empty)
        || after("SERVICE_PORT").any(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with('_'))
        || after("PORT").any(str::is_empty) && is_address()
        || after("PORT_").any(is_port)
}

#[derive(Clone, Copy)]
enum Wanted {
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

struct Key {
    name: &'static str,
    wanted: Wanted,
    set: fn(&mut Settings, Given),
}

/// A value that fits its key: the type was checked before.
enum Given {
    Text(String),
    Flag(bool),
    Whole(u64),
    Texts(Vec<String>),
}

impl Given {
    fn text(self) -> String {
        if let Self::Text(text) = self {
            text
        } else {
            String::new()
        }
    }
    fn flag(self) -> bool {
        matches!(self, Self::Flag(true))
    }
    fn whole(self) -> u64 {
        if let Self::Whole(number) = self { number } else { 0 }
    }
    fn texts(self) -> Vec<String> {
        if let Self::Texts(texts) = self {
            texts
        } else {
            Vec::new()
        }
    }
}

const ANY: u64 = i64::MAX as u64;

/// All but the limits, which `Limits::ALL` lists.
const KEYS: &[Key] = &[
    Key {
        name: "listen",
        wanted: Wanted::Text,
        set: |settings, given| settings.listen = given.text(),
    },
    Key {
        name: "database",
        wanted: Wanted::Text,
        set: |settings, given| settings.database = given.text(),
    },
    Key {
        name: "public_url",
        wanted: Wanted::Url,
        set: |settings, given| settings.public_url = Some(given.text()),
    },
    Key {
        name: "log.level",
        wanted: Wanted::OneOf(&["error", "warn", "info", "debug", "trace"]),
        set: |settings, given| settings.log.level = given.text(),
    },
    Key {
        name: "log.format",
        wanted: Wanted::OneOf(&["text", "json"]),
        set: |settings, given| settings.log.format = given.text(),
    },
    Key {
        name: "log.requests",
        wanted: Wanted::Flag,
        set: |settings, given| settings.log.requests = given.flag(),
    },
    Key {
        name: "log.slow_ms",
        wanted: Wanted::Whole { least: 0, most: ANY },
        set: |settings, given| settings.log.slow_ms = given.whole(),
    },
    Key {
        name: "registration",
        wanted: Wanted::OneOf(&["open", "closed"]),
        set: |settings, given| settings.open_registration = given.text() == "open",
    },
    Key {
        name: "compat.get_operations",
        wanted: Wanted::Flag,
        set: |settings, given| settings.get_operations = given.flag(),
    },
    Key {
        name: "cors.origins",
        wanted: Wanted::Origins,
        set: |settings, given| settings.cors_origins = given.texts(),
    },
    Key {
        name: "metrics.open",
        wanted: Wanted::Flag,
        set: |settings, given| settings.metrics_open = given.flag(),
    },
    Key {
        name: "events.checks",
        wanted: Wanted::Flag,
        set: |settings, given| settings.check_events = given.flag(),
    },
    Key {
        name: "keys.file",
        wanted: Wanted::Text,
        set: |settings, given| settings.keys_file = Some(given.text()),
    },
    Key {
        name: "doors.uipath",
        wanted: Wanted::Flag,
        set: |settings, given| settings.doors.uipath = given.flag(),
    },
    Key {
        name: "doors.iblai",
        wanted: Wanted::Flag,
        set: |settings, given| settings.doors.iblai = given.flag(),
    },
    Key {
        name: "doors.tizra",
        wanted: Wanted::Flag,
        set: |settings, given| settings.doors.tizra = given.flag(),
    },
];

/// Limits that guard a stack or a protocol: past these they would no longer protect anything.
fn ceiling(limit: &str) -> u64 {
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

/// Reads the three layers from where they live: the process's variables and the file that is named, or else
/// `seatgraph.toml` in the working directory if there is one.
pub fn load(flags: &[(&'static str, String)], config: Option<&Path>) -> Result<Settings, SettingsError> {
    let variables = texts(std::env::vars_os())?;
    let named = config.map(Path::to_owned);
    let file = match named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists())) {
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(cause) => {
                return Err(SettingsError::Unreadable {
                    path,
                    cause: cause.to_string(),
                });
            }
        },
        None => None,
    };
    read(
        flags,
        &variables,
        file.as_ref().map(|(path, text)| (path.as_path(), text.as_str())),
    )
}

/// Variables that may be settings. Of other letters than it was given, a value would name another file.
fn texts(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, SettingsError> {
    let named = variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value));
    let ours = named.filter(|(name, _)| {
        let rest = name.strip_prefix("SEATGRAPH_");
        rest.is_some_and(|rest| !NOT_SETTINGS.contains(&rest))
    });
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(SettingsError::NotText { variable: name }),
    })
    .collect()
}

/// The layers as data, weakest last.
pub fn read(
    flags: &[(&'static str, String)],
    variables: &[(String, String)],
    file: Option<(&Path, &str)>,
) -> Result<Settings, SettingsError> {
    let mut settings = Settings::default();
    if let Some((path, text)) = file {
        let table = text.parse::<toml::Table>().map_err(|cause| SettingsError::NotToml {
            path: path.to_owned(),
            cause: cause.to_string().trim_end().to_owned(),
        })?;
        from_table(&mut settings, &Layer::File(path.to_owned()), "", &table)?;
    }
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix("SEATGRAPH_") else {
            continue;
        };
        let key = rest.to_ascii_lowercase().replace("__", ".");
        if !NOT_SETTINGS.contains(&rest) && (is_setting(&key) || !is_of_a_service(rest, value)) {
            set(&mut settings, Layer::Variable(variable.clone()), &key, Raw::Text(value))?;
        }
    }
    for (key, value) in flags {
        set(&mut settings, Layer::Flag, key, Raw::Text(value))?;
    }
    let Limits { page, page_max, .. } = settings.limits;
    // Whoever lowers the most alone means the page too.
    if page > page_max && page != Limits::default().page {
        return Err(SettingsError::PageTooLarge { page, page_max });
    }
    Ok(settings)
}

fn from_table(settings: &mut Settings, layer: &Layer, prefix: &str, table: &toml::Table) -> Result<(), SettingsError> {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::Table(inner) if is_section(&key) => from_table(settings, layer, &key, inner)?,
            other => set(settings, layer.clone(), &key, Raw::Toml(other))?,
        }
    }
    Ok(())
}

/// Whether keys lie below it: `log`, `limits`.
fn is_section(name: &str) -> bool {
    let below = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    name == "limits" || KEYS.iter().any(|key| below(key.name))
}

/// A value as its layer wrote it.
enum Raw<'a> {
    Text(&'a str),
    Toml(&'a toml::Value),
}

fn set(settings: &mut Settings, layer: Layer, key: &str, raw: Raw<'_>) -> Result<(), SettingsError> {
    if let Some(limit) = key
        .strip_prefix("limits.")
        .filter(|limit| Limits::ALL.iter().any(|(name, _)| name == limit))
    {
        let wanted = Wanted::Whole {
            least: 1,
            most: ceiling(limit),
        };
        let number = coerce(wanted, &raw)
            .ok_or_else(|| wrong(key, layer, wanted, &raw))?
            .whole();
        settings.limits.set(limit, number);
        return Ok(());
    }
    match KEYS.iter().find(|known| known.name == key) {
        Some(known) => {
            let given = coerce(known.wanted, &raw).ok_or_else(|| wrong(key, layer, known.wanted, &raw))?;
            (known.set)(settings, given);
            Ok(())
        }
        None => {
            let near = near(key);
            Err(match layer {
                Layer::Variable(variable) => SettingsError::Unknown {
                    near: near.map(|near| variable_name(&near)),
                    key: variable.clone(),
                    layer: Layer::Variable(variable),
                },
                layer => SettingsError::Unknown {
                    key: key.to_owned(),
                    layer,
                    near,
                },
            })
        }
    }
}

fn is_setting(key: &str) -> bool {
    let is_limit = |limit: &str| Limits::ALL.iter().any(|(name, _)| *name == limit);
    KEYS.iter().any(|known| known.name == key) || key.strip_prefix("limits.").is_some_and(is_limit)
}

fn coerce(wanted: Wanted, raw: &Raw<'_>) -> Option<Given> {
    match (wanted, raw) {
        (Wanted::Text, Raw::Text(text)) if !text.is_empty() => Some(Given::Text((*text).to_owned())),
        (Wanted::Text, Raw::Toml(toml::Value::String(text))) if !text.is_empty() => Some(Given::Text(text.clone())),
        (Wanted::Url, Raw::Text(text)) => host::url(text).map(Given::Text),
        (Wanted::Url, Raw::Toml(toml::Value::String(text))) => host::url(text).map(Given::Text),
        (Wanted::OneOf(words), Raw::Text(text)) if words.contains(text) => Some(Given::Text((*text).to_owned())),
        (Wanted::OneOf(words), Raw::Toml(toml::Value::String(text))) if words.contains(&text.as_str()) => {
            Some(Given::Text(text.clone()))
        }
        (Wanted::Flag, Raw::Text("true" | "false")) => Some(Given::Flag(matches!(raw, Raw::Text("true")))),
        (Wanted::Flag, Raw::Toml(toml::Value::Boolean(flag))) => Some(Given::Flag(*flag)),
        (Wanted::Whole { least, most }, raw) => {
            let number = match raw {
                Raw::Text(text) => text.parse().ok(),
                Raw::Toml(toml::Value::Integer(number)) => u64::try_from(*number).ok(),
                Raw::Toml(_) => None,
            };
            number
                .filter(|number| (least..=most).contains(number))
                .map(Given::Whole)
        }
        (Wanted::Origins, Raw::Text(text)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(host::origin).collect::<Option<_>>().map(Given::Texts)
        }
        (Wanted::Origins, Raw::Toml(toml::Value::Array(items))) => {
            let origins = items.iter().map(|item| item.as_str().and_then(host::origin));
            origins.collect::<Option<_>>().map(Given::Texts)
        }
        _ => None,
    }
}

fn wrong(key: &str, layer: Layer, wanted: Wanted, raw: &Raw<'_>) -> SettingsError {
    // Written in quotes it is a text, whatever it says.
    let is_no_text = matches!(wanted, Wanted::Whole { .. } | Wanted::Flag);
    let is_too_large = |raw: &Raw<'_>| matches!(raw, Raw::Text(text) if text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit()));
    let wanted = match wanted {
        Wanted::Text => "a text".to_owned(),
        Wanted::OneOf(words) => format!(
            "one of {}",
            words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Wanted::Flag => "`true` or `false`".to_owned(),
        Wanted::Whole { least, most: ANY } if !is_too_large(raw) => format!("a whole number, {least} or more"),
        Wanted::Whole { least, most } => format!("a whole number from {least} to {most}"),
        Wanted::Url => "a URL, as `https://seats.example`".to_owned(),
        Wanted::Origins => "a list of origins, as `https://app.example`, or `*`".to_owned(),
    };
    let found = match raw {
        Raw::Text(text) => (*text).to_owned(),
        Raw::Toml(toml::Value::String(text)) if is_no_text => format!("\"{text}\""),
        Raw::Toml(toml::Value::String(text)) => text.clone(),
        Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
        Raw::Toml(toml::Value::Float(number)) => number.to_string(),
        Raw::Toml(toml::Value::Boolean(flag)) => flag.to_string(),
        Raw::Toml(other) => other.type_str().to_owned(),
    };
    SettingsError::WrongValue {
        key: key.to_owned(),
        layer,
        wanted,
        found,
    }
}

/// `limits.page_max` is set by `SEATGRAPH_LIMITS__PAGE_MAX`.
fn variable_name(key: &str) -> String {
    format!("SEATGRAPH_{}", key.replace('.', "__").to_ascii_uppercase())
}

/// The known key that is least different, if it is not very different.
fn near(key: &str) -> Option<String> {
    let limits = Limits::ALL.iter().map(|(name, _)| format!("limits.{name}"));
    let all = KEYS.iter().map(|key| key.name.to_owned()).chain(limits);
    // Dots and underscores are what people mix up, so they count as nothing.
    let plain = |text: &str| {
        text.chars()
            .filter(|char| char.is_ascii_alphanumeric())
            .collect::<String>()
    };
    let wanted = plain(key);
    // The section may have been left out.
    let last = |known: &str| plain(known.rsplit('.').next().unwrap_or(known));
    all.map(|known| {
        (
            distance(&wanted, &plain(&known)).min(distance(&wanted, &last(&known))),
            known,
        )
    })
    .filter(|(far, known)| *far <= 2.min(last(known).len() / 3))
    .min()
    .map(|(_, known)| known)
}

/// How many letters must be changed, added or left out to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right) in other.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags, variables and the file, as `key=value` lines each; what became of the keys asked for, or the message.
    fn check(flags: &[(&'static str, &str)], variables: &[(&str, &str)], file: &str, expected: Result<Settings, &str>) {
        let flags: Vec<_> = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let file = (!file.is_empty()).then_some((Path::new("seatgraph.toml"), file));
        let found = read(&flags, &variables, file).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Result<Settings, &'static str> {
        let mut settings = Settings::default();
        change(&mut settings);
        Ok(settings)
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_of_other_letters_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let check = |name: &str, expected: Result<Vec<(String, String)>, SettingsError>| {
            let value = OsString::from_vec(b"caf\xe9.db".to_vec());
            assert_eq!(texts([(name.into(), value)].into_iter()), expected);
        };
        let variable = "SEATGRAPH_DATABASE".to_owned();
        check("SEATGRAPH_DATABASE", Err(SettingsError::NotText { variable }));
        check("SEATGRAPH_CONFIG", Ok(Vec::new()));
        check("OTHER", Ok(Vec::new()));
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_that_over_the_file() {
        check(&[], &[], "", with(|_| ()));
        check(
            &[],
            &[],
            "listen = \"0.0.0.0:1\"",
            with(|set| set.listen = "0.0.0.0:1".into()),
        );
        check(
            &[],
            &[("SEATGRAPH_LISTEN", "b:2")],
            "listen = \"a:1\"",
            with(|set| set.listen = "b:2".into()),
        );
        check(
            &[("listen", "c:3")],
            &[("SEATGRAPH_LISTEN", "b:2")],
            "listen = \"a:1\"",
            with(|set| set.listen = "c:3".into()),
        );
    }

    #[test]
    fn every_kind_of_value_is_read_from_every_layer() {
        check(
            &[],
            &[
                ("SEATGRAPH_LIMITS__PAGE_MAX", "50"),
                ("SEATGRAPH_LOG__REQUESTS", "true"),
                ("SEATGRAPH_CORS__ORIGINS", "https://a.example, https://b.example"),
                ("SEATGRAPH_DATABASE", "memory:"),
                ("SEATGRAPH_TOKEN", "sg_1"),
                ("SEATGRAPH_ADMIN_TOKEN", "x"),
                ("SEATGRAPH_PORT", "tcp://10.0.0.1:8080"),
                ("SEATGRAPH_SERVICE_HOST", "10.0.0.1"),
                ("SEATGRAPH_SERVICE_PORT", "8080"),
                ("SEATGRAPH_SERVICE_PORT_HTTP", "8080"),
                ("SEATGRAPH_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
                ("SEATGRAPH_PORT_8080_TCP_ADDR", "10.0.0.1"),
                ("SEATGRAPH_PORT_8080_TCP_PORT", "8080"),
                ("SEATGRAPH_PORT_8080_TCP_PROTO", "tcp"),
                ("SEATGRAPH_METRICS_SERVICE_HOST", "10.0.0.2"),
                ("SEATGRAPH_METRICS_SERVICE_PORT", "9090"),
                ("SEATGRAPH_METRICS_SERVICE_PORT_HTTP_2", "9090"),
                ("SEATGRAPH_METRICS_PORT", "tcp://10.0.0.2:9090"),
                ("SEATGRAPH_DB_PORT", "udp://10.0.0.3:5432"),
                ("SEATGRAPH_DB_PORT_5432_TCP_ADDR", "10.0.0.3"),
                ("SEATGRAPH_PORT_DB_PORT_5432_UDP", "udp://10.0.0.3:5432"),
                ("HOME", "/"),
            ],
            "",
            with(|set| {
                set.limits.page_max = 50;
                set.log.requests = true;
                set.cors_origins = vec!["https://a.example".into(), "https://b.example".into()];
                set.database = "memory:".into();
            }),
        );
        check(
            &[],
            &[],
            "public_url = 'https://seats.example'\n[log]\nlevel = 'debug'\nformat = 'json'\nslow_ms = 0\n\
             [limits]\npage = 7\n[cors]\norigins = ['https://a.example']",
            with(|set| {
                set.public_url = Some("https://seats.example".into());
                set.log = Log {
                    level: "debug".into(),
                    format: "json".into(),
                    requests: false,
                    slow_ms: 0,
                };
                set.limits.page = 7;
                set.cors_origins = vec!["https://a.example".into()];
            }),
        );
    }

    #[test]
    fn what_is_not_understood_stops_the_start() {
        let file = |text: &str, message: &str| check(&[], &[], text, Err(message));
        let variable = |name: &str, value: &str, message: &str| check(&[], &[(name, value)], "", Err(message));
        file(
            "lisen = 'a:1'",
            "unknown setting `lisen` in `seatgraph.toml`, did you mean `listen`?",
        );
        file(
            "[limits]\npages_max = 1",
            "unknown setting `limits.pages_max` in `seatgraph.toml`, did you mean `limits.page_max`?",
        );
        file(
            "page = 7",
            "unknown setting `page` in `seatgraph.toml`, did you mean `limits.page`?",
        );
        file("[colour]\nsky = 'blue'", "unknown setting `colour` in `seatgraph.toml`");
        file(
            "[doors]\nnarnia = true",
            "unknown setting `doors.narnia` in `seatgraph.toml`",
        );
        file(
            "listen = 8080",
            "the setting `listen` in `seatgraph.toml` must be a text, not `8080`",
        );
        file(
            "[log]\nlevel = 'loud'",
            "the setting `log.level` in `seatgraph.toml` must be one of `error`, `warn`, `info`, `debug`, `trace`, not `loud`",
        );
        for url in [
            "nonsense",
            "seats.example",
            "ftp://seats.example",
            "https://",
            "https:///x",
            "http://[::1",
            "http://[x]",
            "http://a.example:99999",
            "http://a.example:",
            "https://a.example/\"x",
            "https://u:p@a.example",
            "https://a.example:0",
            "https://..",
            "https://a.example/%zz",
            "https://a.example/%2",
        ] {
            let why = format!(
                "the setting `public_url` in the variable `SEATGRAPH_PUBLIC_URL` must be a URL, as `https://seats.example`, not `{url}`"
            );
            variable("SEATGRAPH_PUBLIC_URL", url, &why);
        }
        for origins in [
            "not a url",
            "https://app.example/",
            "https://a.example,b.example",
            "https://*.example",
            "[\"https://a.example\"]",
            "https://u@a.example",
            "https://a.example:x",
            "https://ä.example",
        ] {
            let why = format!(
                "the setting `cors.origins` in the variable `SEATGRAPH_CORS__ORIGINS` must be a list of origins, as `https://app.example`, or `*`, not `{origins}`"
            );
            variable("SEATGRAPH_CORS__ORIGINS", origins, &why);
        }
        file(
            "[limits]\npage = \"5\"",
            "the setting `limits.page` in `seatgraph.toml` must be a whole number, 1 or more, not `\"5\"`",
        );
        variable(
            "SEATGRAPH_LIMITS__QUEUE",
            "18446744073709551615",
            "the setting `limits.queue` in the variable `SEATGRAPH_LIMITS__QUEUE` must be a whole number from 1 to 9223372036854775807, not `18446744073709551615`",
        );
        file("limits = 3", "unknown setting `limits` in `seatgraph.toml`");
        file(
            "[limits]\nnesting = 100000",
            "the setting `limits.nesting` in `seatgraph.toml` must be a whole number from 1 to 256, not `100000`",
        );
        variable(
            "SEATGRAPH_LIMITS_PAGE_MAX",
            "5",
            "unknown setting `SEATGRAPH_LIMITS_PAGE_MAX` in the variable `SEATGRAPH_LIMITS_PAGE_MAX`, did you mean `SEATGRAPH_LIMITS__PAGE_MAX`?",
        );
        variable(
            "SEATGRAPH_PORT_HTTP",
            "80",
            "unknown setting `SEATGRAPH_PORT_HTTP` in the variable `SEATGRAPH_PORT_HTTP`",
        );
        variable(
            "SEATGRAPH_METRICS_PORT",
            "9090",
            "unknown setting `SEATGRAPH_METRICS_PORT` in the variable `SEATGRAPH_METRICS_PORT`",
        );
        variable(
            "SEATGRAPH_DB_REPORT",
            "tcp://10.0.0.3:5432",
            "unknown setting `SEATGRAPH_DB_REPORT` in the variable `SEATGRAPH_DB_REPORT`",
        );
        variable(
            "SEATGRAPH_LIMITS__PAGE",
            "none",
            "the setting `limits.page` in the variable `SEATGRAPH_LIMITS__PAGE` must be a whole number, 1 or more, not `none`",
        );
        file(
            "[limits]\npage = 51\npage_max = 50",
            "the setting `limits.page` is 51, more than `limits.page_max`, which is 50",
        );
        variable(
            "SEATGRAPH_METRICS__OPEN",
            "maybe",
            "the setting `metrics.open` in the variable `SEATGRAPH_METRICS__OPEN` must be `true` or `false`, not `maybe`",
        );
        variable(
            "SEATGRAPH_LOG__REQUESTS",
            "yes",
            "the setting `log.requests` in the variable `SEATGRAPH_LOG__REQUESTS` must be `true` or `false`, not `yes`",
        );
        // What tests are told is for tests: no server is started with it.
        variable(
            "SEATGRAPH_TESTS",
            "all",
            "unknown setting `SEATGRAPH_TESTS` in the variable `SEATGRAPH_TESTS`",
        );
    }

    /// `docs/running.md` has a row for each key, and names each limit with its default.
    #[test]
    fn every_setting_stands_in_the_documents() {
        let page = include_str!("../docs/running.md");
        // A line may end within what is looked for.
        let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for key in KEYS {
            assert!(
                page.contains(&format!("\n| `{}` | ", key.name)),
                "`{}` has no row",
                key.name
            );
        }
        for (name, default) in Limits::ALL {
            let said = format!("`{name}` ({default})");
            assert!(text.contains(&said), "{said} is not there");
        }
        for name in NOT_SETTINGS {
            let said = format!("`SEATGRAPH_{name}`");
            assert!(*name == "MUTANT" || text.contains(&said), "{said} is not there");
        }
    }

    #[test]
    fn what_is_not_known_is_told_what_is() {
        let file = Path::new("seatgraph.toml");
        for (text, expected) in [
            ("lisen = 'a:1'", "known here: listen, database, "),
            ("[log]\nlevl = 'info'", "known here: log."),
            ("[limits]\npages_max = 1", "known here: limits."),
            ("[colour]\nsky = 'blue'", "known here: listen, database, "),
        ] {
            let help = read(&[], &[], Some((file, text))).err().and_then(|error| error.help());
            assert!(
                help.as_ref().is_some_and(|help| help.starts_with(expected)),
                "{text}: {help:?}"
            );
        }
        let variable = [("SEATGRAPH_LOUD".to_owned(), "1".to_owned())];
        let help = read(&[], &variable, None).err().and_then(|error| error.help());
        assert!(help.is_some_and(|help| help.contains("SEATGRAPH_LISTEN, ")));
    }

    #[test]
    fn a_file_that_is_not_toml_says_where() {
        let found = read(&[], &[], Some((Path::new("seatgraph.toml"), "listen =")));
        let message = found.map(|_| ()).map_err(|error| error.to_string());
        assert!(
            message
                .as_ref()
                .is_err_and(|text| text.starts_with("`seatgraph.toml` is not TOML: TOML parse error at line 1")),
            "{message:?}"
        );
    }
}
