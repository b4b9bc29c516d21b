//! A shape that is read from a JSON object and from nothing else: what serde derives for a struct takes an array of its members
//! in their order as well, and a client that sent one would have its values taken for others. And the place where an object is none
//! of that shape, which serde does not tell.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// A member of an object: whether it has to be there, and which values it takes.
pub type Member = (&'static str, bool, fn(&Value) -> bool);

/// `Err`: where the object stops being one, at the first member that is none or has a wrong value, or at the object that misses one.
pub fn within(object: &Value, at: &str, members: &[Member]) -> Result<(), String> {
    let Some(sent) = object.as_object() else {
        return Err(at.to_owned());
    };
    for (name, value) in sent {
        let fits = members
            .iter()
            .find(|(known, ..)| known == name)
            .is_some_and(|(.., fits)| fits(value));
        if !fits {
            return Err(format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")));
        }
    }
    let misses = members
        .iter()
        .any(|(name, needed, _)| *needed && !sent.contains_key(*name));
    if misses { Err(at.to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Shape {
        name: String,
        parts: Vec<Object<Part>>,
    }

    #[derive(serde::Deserialize)]
    struct Part {
        size: u32,
    }

    #[test]
    fn only_an_object_is_one() {
        let read = |text: &str| {
            serde_json::from_str::<Object<Shape>>(text)
                .map(|Object(shape)| (shape.name, shape.parts.iter().map(|part| part.0.size).sum::<u32>()))
        };
        let good = r#"{"name":"a","parts":[{"size":1},{"size":2}]}"#;
        assert_eq!(read(good).ok(), Some(("a".to_owned(), 3)));
        for bad in [
            r#"["a",[{"size":1}]]"#,
            r#"{"name":"a","parts":[[1]]}"#,
            r#"{"name":"a","parts":[1]}"#,
            "null",
            "1",
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains("expected an object"), "{bad}: {error}");
        }
    }
}
