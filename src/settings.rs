//! What can be set, in three layers: flags win over `SEATGRAPH_*` variables, those over `seatgraph.toml`.
//! Every key is in one table; a key that is not there stops the start. Declines to act on any of them.

mod error;
mod host;
mod keys;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::{Layer, SettingsError};
pub use self::host::url;
use self::keys::{ANY, Given, KEYS, Wanted, ceiling};
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

impl Raw<'_> {
    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
        }
    }
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
        None => Err(SettingsError::unknown(key, layer)),
    }
}

fn is_setting(key: &str) -> bool {
    let is_limit = |limit: &str| Limits::ALL.iter().any(|(name, _)| *name == limit);
    KEYS.iter().any(|known| known.name == key) || key.strip_prefix("limits.").is_some_and(is_limit)
}

fn coerce(wanted: Wanted, raw: &Raw<'_>) -> Option<Given> {
    let given = |text: &str| Given::Text(text.to_owned());
    match (wanted, raw) {
        (Wanted::Text, raw) => raw.as_text().filter(|text| !text.is_empty()).map(given),
        (Wanted::Url, raw) => raw.as_text().and_then(host::url).map(Given::Text),
        (Wanted::OneOf(words), raw) => raw.as_text().filter(|text| words.contains(text)).map(given),
        (Wanted::Flag, Raw::Text(text)) => text.parse().ok().map(Given::Flag),
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

#[cfg(test)]
mod tests;
