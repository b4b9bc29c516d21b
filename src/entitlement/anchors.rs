//! `sessionAnchors` of ConcurrentSessions (`licensing.md` 2.3): what ties a seat, and how many of each a seat may have. The
//! field holds JSON text of one shape, `[{"type":"hw","maxCount":1}]`; that shape is read here and no other.

/// `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    pub hw: Option<u32>,
    pub process: Option<u32>,
}

impl Anchors {
    /// `None`: it is not of the shape, names an anchor twice, or one there is not.
    pub fn read(text: &str) -> Option<Self> {
        let mut anchors = Self::default();
        let mut left = Text(text);
        left.sign('[')?;
        if left.sign(']').is_some() {
            return left.ends().then_some(anchors);
        }
        loop {
            let (name, most) = left.anchor()?;
            let place = match name {
                "hw" => &mut anchors.hw,
                "process" => &mut anchors.process,
                _ => return None,
            };
            if place.replace(most).is_some() {
                return None;
            }
            if left.sign(',').is_none() {
                break;
            }
        }
        left.sign(']')?;
        left.ends().then_some(anchors)
    }
}

struct Text<'t>(&'t str);

impl<'t> Text<'t> {
    fn sign(&mut self, sign: char) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(sign)?;
        Some(())
    }

    fn ends(&self) -> bool {
        self.0.trim_start().is_empty()
    }

    /// No name here needs an escape.
    fn word(&mut self) -> Option<&'t str> {
        self.sign('"')?;
        let (word, rest) = self.0.split_once('"')?;
        self.0 = rest;
        Some(word)
    }

    /// From 1 up: a seat that may be used nowhere is none.
    fn number(&mut self) -> Option<u32> {
        let text = self.0.trim_start();
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        self.0 = &text[end..];
        text[..end].parse().ok().filter(|number| *number > 0)
    }

    fn anchor(&mut self) -> Option<(&'t str, u32)> {
        let (mut name, mut most) = (None, None);
        self.sign('{')?;
        loop {
            let member = self.word()?;
            self.sign(':')?;
            let is_twice = match member {
                "type" => name.replace(self.word()?).is_some(),
                "maxCount" => most.replace(self.number()?).is_some(),
                _ => return None,
            };
            if is_twice {
                return None;
            }
            if self.sign(',').is_none() {
                break;
            }
        }
        self.sign('}')?;
        name.zip(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_of_one_shape() {
        let check = |text: &str, expected: Option<(Option<u32>, Option<u32>)>| {
            let found = Anchors::read(text).map(|anchors| (anchors.hw, anchors.process));
            assert_eq!(found, expected, "{text}");
        };
        check("[]", Some((None, None)));
        check(" [ ] ", Some((None, None)));
        check(r#"[{"type":"hw","maxCount":1}]"#, Some((Some(1), None)));
        check(
            r#"[{"maxCount":3,"type":"process"} , {"type":"hw","maxCount":2}]"#,
            Some((Some(2), Some(3))),
        );
        for wrong in [
            "",
            "{}",
            "[",
            "[{}]",
            r#"[{"type":"hw"}]"#,
            r#"[{"maxCount":1}]"#,
            r#"[{"type":"hw","maxCount":0}]"#,
            r#"[{"type":"hw","maxCount":-1}]"#,
            r#"[{"type":"hw","maxCount":1.5}]"#,
            r#"[{"type":"hw","maxCount":"1"}]"#,
            r#"[{"type":"hw","maxCount":4294967296}]"#,
            r#"[{"type":"nose","maxCount":1}]"#,
            r#"[{"type":"hw","maxCount":1},{"type":"hw","maxCount":2}]"#,
            r#"[{"type":"hw","maxCount":1,"more":1}]"#,
            r#"[{"type":"hw","type":"hw","maxCount":1}]"#,
            r#"[{"type":"hw","maxCount":1},]"#,
            r#"[{"type":"hw","maxCount":1}] x"#,
            "null",
        ] {
            check(wrong, None);
        }
    }
}
