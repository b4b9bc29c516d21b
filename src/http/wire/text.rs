//! Values as JSON text, straight into the answer's buffer. Formatting through `fmt` costs more than the rest of an
//! answer does.

use uuid::Uuid;

use crate::model::{FieldType, Time, Value};

const DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

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
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
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
        buffer[at..at + 2].copy_from_slice(pair((number % 100) as usize));
        number /= 100;
    }
    if number >= 10 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(pair(number as usize));
    } else {
        at -= 1;
        buffer[at] = b'0' + number as u8;
    }
    out.extend_from_slice(&buffer[at..]);
}

fn pair(number: usize) -> &'static [u8] {
    &DIGITS[number * 2..number * 2 + 2]
}

/// Between quotes.
pub fn uuid(out: &mut Vec<u8>, id: Uuid) {
    out.push(b'"');
    bare_uuid(out, id);
    out.push(b'"');
}

pub fn bare_uuid(out: &mut Vec<u8>, id: Uuid) {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
}

/// Between quotes, the same text as `Time`'s `Display`.
pub fn time(out: &mut Vec<u8>, time: Time) {
    const DAY: i64 = 86_400_000;
    let days = time.millis().div_euclid(DAY);
    let millis = time.millis().rem_euclid(DAY) as usize;
    // The civil calendar from a count of days, in eras of 400 years that begin on a first of March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * month_from_march + 2) / 5 + 1) as usize;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let Ok(year) = usize::try_from(year)
        .map_err(|_| ())
        .and_then(|year| if year > 9999 { Err(()) } else { Ok(year) })
    else {
        // No such time gets in; a broken one is still shown, not lost.
        return string(out, &time.to_string());
    };
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let seconds = millis / 1000;
    for (at, number) in [
        (1, year / 100),
        (3, year % 100),
        (6, month as usize),
        (9, day),
        (12, seconds / 3600),
        (15, seconds / 60 % 60),
        (18, seconds % 60),
        (22, millis % 100),
    ] {
        text[at..at + 2].copy_from_slice(pair(number));
    }
    text[21] = b'0' + (millis % 1000 / 100) as u8;
    out.extend_from_slice(&text);
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
