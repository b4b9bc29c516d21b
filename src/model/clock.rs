//! The only place new ids, secrets and the present time come from, so that tests can freeze them.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// An instant: milliseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// The years the wire can write and read back: 0000 to 9999.
const EARLIEST: i64 = -62_167_219_200_000;
const LATEST: i64 = 253_402_300_799_999;

impl Time {
    /// A date-time of RFC 3339, with `Z` or an offset, or a date: midnight UTC (`graph-api.md` 1.4 and 2.3). The offset may be
    /// without its colon, as Java writes it. One that leaves it out means another instant to everybody who reads it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let at = if bytes.len() == 10 && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
            let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()
        } else {
            // What reads it takes a space for the `T`, and an offset in other spellings.
            let end = |from: usize| bytes.len().checked_sub(from).map(|at| bytes[at]);
            let (ends_z, colon) = (matches!(end(1), Some(b'Z' | b'z')), end(3) == Some(b':'));
            let basic = matches!(end(5), Some(b'+' | b'-')) && !colon;
            let has_offset = ends_z || colon || basic;
            if !has_offset || text.contains(' ') || !matches!(bytes.get(10), Some(b'T' | b't')) {
                return None;
            }
            let read = match basic {
                true => DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"),
                false => DateTime::parse_from_rfc3339(text),
            };
            read.ok()?.timestamp_millis()
        };
        Self::from_millis(at)
    }

    /// As systems write it that know one time zone or leave the seconds out: without an offset it is UTC.
    pub fn parse_loosely(text: &str) -> Option<Self> {
        let at = if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            at.timestamp_millis()
        } else if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
            at.timestamp_millis()
        } else if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%z") {
            at.timestamp_millis()
        } else if let Ok(at) = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
            at.and_utc().timestamp_millis()
        } else if let Ok(at) = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
            at.and_utc().timestamp_millis()
        } else {
            chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)?
                .and_utc()
                .timestamp_millis()
        };
        Self::from_millis(at)
    }

    /// `None` outside the years 0000 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (EARLIEST..=LATEST).contains(&millis).then_some(Self(millis))
    }

    pub fn millis(self) -> i64 {
        self.0
    }
}

/// ISO 8601 UTC with milliseconds, as on the wire.
impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(at) => out.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(out, "{}", self.0),
        }
    }
}

/// Time and ids. The frozen one stands still until told, and counts its ids.
#[derive(Debug)]
pub enum Clock {
    System,
    Frozen { now: AtomicI64, next: AtomicU64 },
}

impl Clock {
    pub fn frozen(now: Time) -> Self {
        Self::Frozen {
            now: AtomicI64::new(now.0),
            next: AtomicU64::new(1),
        }
    }

    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time(Utc::now().timestamp_millis()),
            Self::Frozen { now, .. } => Time(now.load(Ordering::SeqCst)),
        }
    }

    /// Moves a frozen clock; the system's goes its own way.
    pub fn set(&self, to: Time) {
        if let Self::Frozen { now, .. } = self {
            now.store(to.0, Ordering::SeqCst);
        }
    }

    /// A new entity id: version 7, so that ids made together lie together.
    #[allow(clippy::disallowed_methods)]
    pub fn new_id(&self) -> Uuid {
        match self {
            Self::System => Uuid::now_v7(),
            Self::Frozen { next, .. } => Uuid::from_u128(
                0x0000_0000_0000_4000_8000_0000_0000_0000 | u128::from(next.fetch_add(1, Ordering::SeqCst)),
            ),
        }
    }

    /// 256 unguessable bits, from the operating system even where the clock is frozen.
    pub fn secret() -> [u8; 32] {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_spelling_and_written_in_one() {
        for (text, written) in [
            ("2023-02-19T14:12:22.012Z", "2023-02-19T14:12:22.012Z"),
            ("2023-02-19T14:12:22Z", "2023-02-19T14:12:22.000Z"),
            ("2023-02-19T16:12:22+02:00", "2023-02-19T14:12:22.000Z"),
            ("2023-02-19t14:12:22.5z", "2023-02-19T14:12:22.500Z"),
            ("2023-02-19T09:42:22-04:30", "2023-02-19T14:12:22.000Z"),
            ("2023-02-19T16:12:22+0200", "2023-02-19T14:12:22.000Z"),
            ("2023-02-19T09:42:22.012-0430", "2023-02-19T14:12:22.012Z"),
            ("2023-02-19", "2023-02-19T00:00:00.000Z"),
            // More digits than it keeps are cut, whatever they are, and before 1970 too.
            ("2023-02-19T14:12:22.0129999999999Z", "2023-02-19T14:12:22.012Z"),
            ("2023-02-19T16:12:22.012999+0200", "2023-02-19T14:12:22.012Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            for parse in [Time::parse, Time::parse_loosely] {
                let read = parse(text).map(|time| time.to_string());
                assert_eq!(read.as_deref(), Some(written), "{text}");
            }
        }
        for (text, written) in [
            ("2023-02-19T14:12:22", "2023-02-19T14:12:22.000Z"),
            ("2023-02-19T14:12", "2023-02-19T14:12:00.000Z"),
        ] {
            let read = Time::parse_loosely(text).map(|time| time.to_string());
            assert_eq!((read.as_deref(), Time::parse(text)), (Some(written), None), "{text}");
        }
        for text in [
            "2023-02-19 14:12:22Z",
            "2023-02-19T14:12Z",
            "2023-02-19T14:12:22+02",
            "2023-02-19T14:12:22 +0200",
            "2023-02-19T14:12:22+2:00",
            "2023-02-19T14:12+0200",
            "2023-02-19T14:12:22+020",
            "2023-02-19T14:12:22+02000",
            "2023-2-19",
            "2023- 2- 9",
            " 2023-02-19",
            "2023-02-19Z",
            "2023-02-19T14:12:22Z ",
            "2023-02-19T24:00:00Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2023-13-01",
            "2023-02-30T00:00:00Z",
            "+12345-01-01",
            "1676815942012",
        ] {
            assert_eq!((Time::parse(text), Time::parse_loosely(text)), (None, None), "{text}");
        }
    }
}
