//! What is wrong with a setting: where it stands, and what would be right.

use std::path::PathBuf;

use super::keys::KEYS;
use crate::limits::Limits;

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
    /// Of a key that there is not.
    pub(super) fn unknown(key: &str, layer: Layer) -> Self {
        let near = near(key);
        match layer {
            Layer::Variable(variable) => Self::Unknown {
                near: near.map(|near| variable_name(&near)),
                key: variable.clone(),
                layer: Layer::Variable(variable),
            },
            layer => Self::Unknown {
                key: key.to_owned(),
                layer,
                near,
            },
        }
    }

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
