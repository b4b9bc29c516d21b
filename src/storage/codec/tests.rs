//! Tests: round trips, flipped bits, and bytes that are no rows.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::samples;
use super::super::words::Words;
use super::encode::{finish, start};
use super::*;
use crate::model::*;

fn both() -> (Encoder, Decoder) {
    let words = Words::of_schema();
    (Encoder::new(&words).expect("complete"), Decoder::new(&words))
}

proptest! {
    #[test]
    fn what_is_written_is_read(entity in samples::entity(), relation in samples::relation(), commit in samples::commit()) {
        let (encoder, decoder) = both();
        let mut row = Vec::new();
        encoder.entity(&entity, &mut row);
        prop_assert_eq!(decoder.entity(entity.serial, &row), Ok(entity.clone()));
        prop_assert_eq!(decoder.entity(entity.serial ^ 1, &row), Err(Bad::Checksum));
        encoder.relation(&relation, &mut row);
        let Key::Relation { to, rel, from } = encoder.relation_key(&relation) else { unreachable!() };
        prop_assert_eq!(decoder.relation(to, rel, from, &row), Ok(relation));
        let mut told = Vec::new();
        encoder.commit(&commit, &mut row, &mut told);
        prop_assert_eq!(told.len(), commit.changes.len());
        for (change, told) in commit.changes.iter().zip(told) {
            let (mut alone, mut again) = (Vec::new(), Vec::new());
            let key = match change {
                Change::Entity { after: Some(after), .. } => {
                    encoder.entity(after, &mut alone);
                    Key::Entity(after.serial)
                }
                Change::Relation { after: Some(after), .. } => {
                    encoder.relation(after, &mut alone);
                    encoder.relation_key(after)
                }
                _ => continue,
            };
            Encoder::row(key, &row[told], &mut again);
            prop_assert_eq!(again, alone);
        }
        let (read, had_replay) = decoder.commit(commit.revision, &row).expect("sound");
        prop_assert_eq!(had_replay, commit.replay.is_some());
        prop_assert_eq!(&Commit { replay: commit.replay.clone(), ..read }, &commit);
        if let Some(replay) = &commit.replay {
            encoder.replay(commit.revision, replay, &mut row);
            prop_assert_eq!(decoder.replay(commit.revision, &row), Ok(replay.clone()));
        }
    }

    #[test]
    fn no_flipped_bit_passes(commit in samples::commit(), place: prop::sample::Index, bit in 0..8) {
        let (encoder, decoder) = both();
        let mut row = Vec::new();
        encoder.commit(&commit, &mut row, &mut Vec::new());
        let at = place.index(row.len());
        row[at] ^= 1u8 << bit;
        prop_assert_eq!(decoder.commit(commit.revision, &row), Err(Bad::Checksum));
    }

    /// The checksum keeps nonsense from the decoders, so here it is made to fit.
    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, serial: u64, commit in samples::commit(), hits: Vec<(prop::sample::Index, u8)>) {
        let (encoder, decoder) = both();
        let mut row = Vec::new();
        encoder.commit(&commit, &mut row, &mut Vec::new());
        let mut spoilt = row.split_off(HEADER);
        for (place, byte) in hits {
            let at = place.index(spoilt.len());
            spoilt[at] = byte;
        }
        for payload in [&mut bytes, &mut spoilt] {
            let _ = (decoder.entity(serial, payload), decoder.commit(serial, payload));
            for key in [Key::Entity(serial), Key::Commit(serial), Key::Replay(serial), Key::Relation { to: serial, rel: 60, from: 1 }] {
                start(&mut row);
                row.extend_from_slice(payload);
                finish(key, &mut row);
                let sound = match key {
                    Key::Entity(serial) => decoder.entity(serial, &row).map(drop),
                    Key::Commit(revision) => decoder.commit(revision, &row).map(drop),
                    Key::Replay(revision) => decoder.replay(revision, &row).map(drop),
                    Key::Relation { to, rel, from } => decoder.relation(to, rel, from, &row).map(drop),
                };
                prop_assert_ne!(sound, Err(Bad::Checksum));
            }
        }
    }
}

#[test]
fn a_name_this_program_does_not_know_is_named() {
    let words = Words::of_schema();
    let encoder = Encoder::new(&words).expect("complete");
    let entity = Entity::new(
        Header {
            id: Uuid::nil(),
            serial: 1,
            revision: 1,
            created: Time(0),
            updated: Time(0),
            kind: Kind::License,
        },
        [(0, Value::text("Anna's editor"))].into_iter().collect(),
    );
    let mut row = Vec::new();
    encoder.entity(&entity, &mut row);
    let check = |old: &str, new: &str, expected: &str| {
        let renamed = (1..2000).filter_map(|code| Some((code, words.word(code)?.to_owned())));
        let renamed = renamed.map(|(code, word)| (code, if word == old { new.to_owned() } else { word }));
        let decoder = Decoder::new(&Words::new(renamed).expect("sound"));
        let error = decoder.entity(1, &row).expect_err(expected).of(Key::Entity(1));
        assert_eq!(error, StorageError::Unknown(expected.to_owned()));
    };
    check("License", "Permit", "Permit");
    check("name", "nickname", "License.nickname");
    let error = Decoder::new(&Words::default())
        .entity(1, &row)
        .expect_err("an empty dictionary");
    assert!(matches!(error, Bad::NoWord(_)));
}

#[test]
fn a_row_of_a_later_version_is_no_damage() {
    let (encoder, decoder) = both();
    let mut row = Vec::new();
    let relation_free = Commit {
        revision: 7,
        at: Time(1),
        by: Principal::default(),
        operation: "Create".into(),
        request_id: "".into(),
        changes: vec![],
        whose: Whose::default(),
        events: Vec::new(),
        replay: None,
    };
    encoder.commit(&relation_free, &mut row, &mut Vec::new());
    row[0] = VERSION + 1;
    let sum = Key::Commit(7).checksum(VERSION + 1, &row[HEADER..]);
    row[1..HEADER].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(
        decoder.commit(7, &row),
        Err(Bad::Unknown("rows of version 2".to_owned()))
    );
}
