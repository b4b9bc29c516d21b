//! The dictionary of a database: the names of kinds, fields and relations as small numbers. Rows hold the numbers, so
//! they stay short and mean the same after the schema's tables were reordered; a number once given is never given
//! another name.

use super::StorageError;
use crate::model::{FieldDef, Fields, Kind, Rel, schema};

/// What a row holds for a name.
pub type Code = u16;

/// Far above what a schema has, far below what a damaged table could claim.
const MOST: u64 = 16_384;

/// Names by code.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Option<Box<str>>>);

impl Words {
    /// As the database has them.
    pub fn new(pairs: impl IntoIterator<Item = (u64, String)>) -> Result<Self, StorageError> {
        let mut words = Self::default();
        for (code, word) in pairs {
            if !(1..=MOST).contains(&code) {
                return Err(StorageError::Damaged(format!(
                    "the word `{word}` has the number {code}"
                )));
            }
            let place = code as usize;
            if words.0.len() <= place {
                words.0.resize(place + 1, None);
            }
            if words.0[place].replace(word.into()).is_some() {
                return Err(StorageError::Damaged(format!("two words have the number {code}")));
            }
        }
        Ok(words)
    }

    /// Only the schema's, numbered from 1.
    pub fn of_schema() -> Self {
        let mut words = Self::default();
        for (code, word) in words.add_missing() {
            words.set(code, &word);
        }
        words
    }

    pub fn word(&self, code: u64) -> Option<&str> {
        self.0.get(usize::try_from(code).ok()?)?.as_deref()
    }

    /// In order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        let numbered = self.0.iter().enumerate();
        numbered.filter_map(|(code, word)| Some((code as u64, word.as_deref()?)))
    }

    pub fn code(&self, word: &str) -> Option<Code> {
        let at = self.0.iter().position(|known| known.as_deref() == Some(word))?;
        Code::try_from(at).ok()
    }

    /// Numbers the schema's words that have none yet, and says which those are.
    pub fn add_missing(&mut self) -> Vec<(Code, String)> {
        let mut added = Vec::new();
        for word in schema_words() {
            if self.code(&word).is_none() {
                let code = self.0.len().max(1) as Code;
                self.set(code, &word);
                added.push((code, word));
            }
        }
        added
    }

    fn set(&mut self, code: Code, word: &str) {
        let place = code as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        self.0[place] = Some(word.into());
    }
}

/// Every name the schema has: kinds, their fields, relations, their fields.
fn schema_words() -> impl Iterator<Item = String> {
    let kinds = Kind::ALL.iter().map(|kind| kind.name().to_owned());
    let relations = schema::RELATIONS.iter().map(|relation| relation.stable_name());
    let fields = Kind::ALL.iter().flat_map(|kind| kind.def().fields);
    let relation_fields = schema::RELATIONS.iter().flat_map(|relation| relation.fields);
    kinds
        .chain(relations)
        .chain(fields.chain(relation_fields).map(|field| field.name.to_owned()))
}

/// From codes to the schema's places.
#[derive(Clone, Debug)]
pub struct Decoding {
    words: Words,
    kinds: Vec<Option<Kind>>,
    relations: Vec<Option<Rel>>,
    /// By kind, then by code: the field's place, or `NOWHERE`.
    fields: Vec<Vec<u8>>,
    relation_fields: Vec<Vec<u8>>,
}

const NOWHERE: u8 = u8::MAX;

impl Decoding {
    pub fn new(words: &Words) -> Self {
        let by_code = |place: &dyn Fn(&str) -> Option<u8>| -> Vec<u8> {
            words
                .0
                .iter()
                .map(|word| word.as_deref().and_then(place).unwrap_or(NOWHERE))
                .collect()
        };
        let relations = schema::relations()
            .map(|rel| (rel.def().stable_name(), rel))
            .collect::<Vec<_>>();
        Self {
            kinds: words.0.iter().map(|word| Kind::named(word.as_deref()?)).collect(),
            relations: words
                .0
                .iter()
                .map(|word| {
                    relations
                        .iter()
                        .find(|(name, _)| Some(name.as_str()) == word.as_deref())
                        .map(|(_, rel)| *rel)
                })
                .collect(),
            fields: Kind::ALL.iter().map(|kind| by_code(&|word| kind.field(word))).collect(),
            relation_fields: schema::relations()
                .map(|rel| by_code(&|word| rel.def().field(word)))
                .collect(),
            words: words.clone(),
        }
    }

    pub fn kind(&self, code: u64) -> Option<Kind> {
        *self.kinds.get(usize::try_from(code).ok()?)?
    }

    pub fn relation(&self, code: u64) -> Option<Rel> {
        *self.relations.get(usize::try_from(code).ok()?)?
    }

    pub fn fields_of(&self, kind: Kind) -> Owner<'_> {
        Owner {
            places: &self.fields[kind as usize],
            defs: kind.def().fields,
        }
    }

    pub fn fields_of_relation(&self, rel: Rel) -> Owner<'_> {
        Owner {
            places: &self.relation_fields[rel.0 as usize],
            defs: rel.def().fields,
        }
    }

    pub fn word(&self, code: u64) -> Option<&str> {
        self.words.word(code)
    }
}

/// The fields of one kind, or of one relation, as codes find them.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    places: &'a [u8],
    defs: &'static [FieldDef],
}

impl Owner<'_> {
    pub fn field(&self, code: u64) -> Option<(u8, &'static FieldDef)> {
        let place = *self.places.get(usize::try_from(code).ok()?)?;
        Some((place, self.defs.get(place as usize)?))
    }
}

/// From the schema's places to codes.
#[derive(Clone, Debug)]
pub struct Encoding {
    kinds: Vec<Code>,
    relations: Vec<Code>,
    /// By kind: its fields in order of code, so that equal fields make equal bytes whatever the schema's order.
    fields: Vec<Vec<(Code, u8)>>,
    relation_fields: Vec<Vec<(Code, u8)>>,
}

impl Encoding {
    /// Every word of the schema must have its code.
    pub fn new(words: &Words) -> Result<Self, StorageError> {
        let code = |word: &str| {
            words
                .code(word)
                .ok_or_else(|| StorageError::Damaged(format!("the word `{word}` has no number")))
        };
        let fields = |defs: &[FieldDef]| -> Result<Vec<(Code, u8)>, StorageError> {
            let mut codes = Vec::with_capacity(defs.len().min(Fields::MAX));
            for (place, def) in defs.iter().enumerate() {
                codes.push((code(def.name)?, place as u8));
            }
            codes.sort_unstable();
            Ok(codes)
        };
        Ok(Self {
            kinds: Kind::ALL
                .iter()
                .map(|kind| code(kind.name()))
                .collect::<Result<_, _>>()?,
            relations: schema::relations()
                .map(|rel| code(&rel.def().stable_name()))
                .collect::<Result<_, _>>()?,
            fields: Kind::ALL
                .iter()
                .map(|kind| fields(kind.def().fields))
                .collect::<Result<_, _>>()?,
            relation_fields: schema::relations()
                .map(|rel| fields(rel.def().fields))
                .collect::<Result<_, _>>()?,
        })
    }

    pub fn kind(&self, kind: Kind) -> Code {
        self.kinds[kind as usize]
    }

    pub fn relation(&self, rel: Rel) -> Code {
        self.relations[rel.0 as usize]
    }

    pub fn fields_of(&self, kind: Kind) -> &[(Code, u8)] {
        &self.fields[kind as usize]
    }

    pub fn fields_of_relation(&self, rel: Rel) -> &[(Code, u8)] {
        &self.relation_fields[rel.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_numbers_when_the_schema_moves() {
        // As an older program left them: other numbers, and a word nobody uses any more.
        let mut words = Words::new([
            (1, "gone".to_owned()),
            (9, "License".to_owned()),
            (7, "name".to_owned()),
        ])
        .expect("sound");
        let added = words.add_missing();
        assert!(
            added
                .iter()
                .all(|(code, word)| *code > 9 && word != "License" && word != "name")
        );
        let decoding = Decoding::new(&words);
        assert_eq!(decoding.kind(9), Some(Kind::License));
        assert_eq!(decoding.kind(1), None);
        assert_eq!(
            decoding.fields_of(Kind::License).field(7).map(|(_, def)| def.name),
            Some("name")
        );
        let encoding = Encoding::new(&words).expect("complete");
        assert_eq!(encoding.kind(Kind::License), 9);
        for kind in Kind::ALL {
            assert_eq!(decoding.kind(u64::from(encoding.kind(*kind))), Some(*kind));
        }
        for rel in schema::relations() {
            assert_eq!(decoding.relation(u64::from(encoding.relation(rel))), Some(rel));
        }
    }

    #[test]
    fn a_damaged_dictionary_is_refused() {
        let check = |pairs: &[(u64, &str)]| {
            let pairs = pairs.iter().map(|(code, word)| (*code, (*word).to_owned()));
            assert!(matches!(Words::new(pairs), Err(StorageError::Damaged(_))));
        };
        check(&[(0, "License")]);
        check(&[(u64::MAX, "License")]);
        check(&[(3, "License"), (3, "Profile")]);
        assert!(matches!(
            Encoding::new(&Words::default()),
            Err(StorageError::Damaged(_))
        ));
    }
}
