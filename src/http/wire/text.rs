//! Values as JSON text, straight into the answer's buffer. Formatting through `fmt` costs more than the rest of an
//! answer does.

use std::cell::Cell;

use uuid::Uuid;

use crate::model::{FieldType, Time, Value};

/// Two digits for each number below 100.
static PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        table[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Two hexadecimal digits for each byte.
static BYTES: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [HEX[byte >> 4], HEX[byte & 15]];
        byte += 1;
    }
    table
};

/// What a byte of a string is written as: 0 as itself, `u` as `\u00XX`, else a backslash and that.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            out.extend_from_slice(b"00");
            out.extend_from_slice(&BYTES[usize::from(*byte)]);
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

pub fn integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

pub fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    let mut buffer = [0; 20];
    let mut at = buffer.len();
    while number >= 100 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[number as usize]);
    } else {
        at -= 1;
        buffer[at] = b'0' + number as u8;
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Between quotes.
pub fn uuid(out: &mut Vec<u8>, id: Uuid) {
    /// Where the digits of each byte go.
    const PLACES: [usize; 16] = [1, 3, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 29, 31, 33, 35];
    let mut text = *b"\"00000000-0000-0000-0000-000000000000\"";
    for (place, byte) in PLACES.into_iter().zip(id.as_bytes()) {
        text[place..place + 2].copy_from_slice(&BYTES[usize::from(*byte)]);
    }
    out.extend_from_slice(&text);
}

thread_local! {
    /// The day that was written last, by its number from `START`, and its date: times of one answer are mostly of few days.
    static DATE: Cell<(u32, [u8; 10])> = const { Cell::new((u32::MAX, [0; 10])) };
}

/// Between quotes, the same text as `Time`'s `Display`.
pub fn time(out: &mut Vec<u8>, time: Time) {
    const DAY: i64 = 86_400_000;
    /// From the first of March of the year -400: no time that gets in is before it.
    const START: i64 = -(719_468 + 146_097) * DAY;
    if Time::from_millis(time.millis()).is_none() {
        // No such time gets in; a broken one is still shown, not lost.
        return string(out, &time.to_string());
    }
    let since = (time.millis() - START) as u64;
    let (days, millis) = ((since / DAY as u64) as u32, (since % DAY as u64) as u32);
    let seconds = millis / 1000;
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let (last, mut date) = DATE.get();
    if last != days {
        date = civil(days);
        DATE.set((days, date));
    }
    text[1..11].copy_from_slice(&date);
    text[12..14].copy_from_slice(&pair(seconds / 3600));
    text[15..17].copy_from_slice(&pair(seconds / 60 % 60));
    text[18..20].copy_from_slice(&pair(seconds % 60));
    text[21] = b'0' + (millis % 1000 / 100) as u8;
    text[22..24].copy_from_slice(&pair(millis % 100));
    out.extend_from_slice(&text);
}

fn pair(number: u32) -> [u8; 2] {
    PAIRS[number as usize]
}

/// The date of a day, by its number from the first of March of the year -400.
fn civil(days: u32) -> [u8; 10] {
    // The civil calendar from a count of days without a division by anything but constants (Neri and Schneider, 2022):
    // centuries of 36,524.25 days, then years of 365.25, then months, five of which have 153 days.
    let of_centuries = 4 * days + 3;
    let of_years = 2_939_745 * u64::from((of_centuries % 146_097) | 3);
    let day_of_year = of_years as u32 / 2_939_745 / 4;
    let of_months = 2_141 * day_of_year + 197_913;
    let after_new_year = day_of_year >= 306;
    let year = 100 * (of_centuries / 146_097) + (of_years >> 32) as u32 + u32::from(after_new_year) - 400;
    let month = (of_months >> 16) - if after_new_year { 12 } else { 0 };
    let day = (of_months & 0xffff) / 2_141 + 1;
    let mut text = *b"0000-00-00";
    text[..2].copy_from_slice(&pair(year / 100));
    text[2..4].copy_from_slice(&pair(year % 100));
    text[5..7].copy_from_slice(&pair(month));
    text[8..].copy_from_slice(&pair(day));
    text
}

/// A value of a field. A JSON field keeps the text of its value: it goes out as it is.
pub fn value(out: &mut Vec<u8>, value: &Value, field_type: FieldType) {
    match value {
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(number) => integer(out, *number),
        Value::Time(at) => time(out, *at),
        Value::Uuid(id) => uuid(out, *id),
        Value::Text(text) if field_type == FieldType::Json => out.extend_from_slice(text.as_bytes()),
        Value::Text(text) => string(out, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_ends_of_time_are_written_too() {
        for (millis, expected) in [
            (0, "\"1970-01-01T00:00:00.000Z\""),
            (-1, "\"1969-12-31T23:59:59.999Z\""),
            (-62_167_219_200_000, "\"0000-01-01T00:00:00.000Z\""),
            (253_402_300_799_999, "\"9999-12-31T23:59:59.999Z\""),
            (951_782_400_000, "\"2000-02-29T00:00:00.000Z\""),
        ] {
            assert_eq!(written(|out| time(out, Time(millis))), expected);
        }
    }

    proptest! {
        #[test]
        fn values_are_written_as_the_plain_way_writes_them(
            number: i64, large: u64, text: String, id: u128, millis in -62_167_219_200_000i64..=253_402_300_799_999
        ) {
            prop_assert_eq!(written(|out| integer(out, number)), number.to_string());
            prop_assert_eq!(written(|out| unsigned(out, large)), large.to_string());
            let back: String = serde_json::from_str(&written(|out| string(out, &text))).unwrap();
            prop_assert_eq!(back, text);
            let id = Uuid::from_u128(id);
            prop_assert_eq!(written(|out| uuid(out, id)), format!("\"{id}\""));
            prop_assert_eq!(written(|out| time(out, Time(millis))), format!("\"{}\"", Time(millis)));
        }
    }
}
