//! `grammar/selector.ebnf` read by a machine: it recognises texts and writes random ones, so that the grammar and the
//! parser are held to one another. Knows the notation, and of the language only how its words end.

use std::collections::{BTreeSet, HashMap};

use super::*;

enum Node {
    Literal(String),
    Class { ranges: Vec<(char, char)>, negated: bool },
    Production(String),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat { node: Box<Node>, least: usize, most: usize },
}

struct Grammar(HashMap<String, Node>);

impl Grammar {
    fn read(text: &str) -> Self {
        let mut tokens = tokens(text);
        tokens.reverse(); // the next one is the last
        let mut productions = HashMap::new();
        while let Some(name) = tokens.pop() {
            assert_eq!(tokens.pop().as_deref(), Some("::="), "after {name}");
            assert!(
                productions.insert(name.clone(), choice(&mut tokens)).is_none(),
                "{name} twice"
            );
        }
        Self(productions)
    }

    /// Where a node can end that begins at a place of the text.
    fn ends(&self, node: &Node, text: &str, at: usize) -> BTreeSet<usize> {
        let rest = &text[at..];
        match node {
            Node::Literal(literal) => rest
                .starts_with(literal.as_str())
                .then_some(at + literal.len())
                .into_iter()
                .collect(),
            Node::Class { ranges, negated } => {
                let fits = |c: &char| within(ranges, *c) != *negated;
                rest.chars()
                    .next()
                    .filter(fits)
                    .map(|c| at + c.len_utf8())
                    .into_iter()
                    .collect()
            }
            Node::Production(name) => self.ends(&self.0[name], text, at),
            Node::Sequence(parts) => parts.iter().fold(BTreeSet::from([at]), |places, part| {
                places
                    .into_iter()
                    .flat_map(|place| self.ends(part, text, place))
                    .collect()
            }),
            Node::Choice(choices) => choices.iter().flat_map(|choice| self.ends(choice, text, at)).collect(),
            Node::Repeat { node, least, most } => {
                let (mut reached, mut last) = (BTreeSet::new(), BTreeSet::from([at]));
                for count in 0..=*most {
                    if count >= *least {
                        reached.extend(&last);
                    }
                    last = last
                        .into_iter()
                        .flat_map(|place| self.ends(node, text, place))
                        .collect();
                    last.retain(|place| !reached.contains(place));
                    if last.is_empty() {
                        break;
                    }
                }
                reached
            }
        }
    }

    fn recognises(&self, production: &str, text: &str) -> bool {
        self.ends(&self.0[production], text, 0).contains(&text.len())
    }

    /// Appends a random sentence. Deeper than `depth`, the last choice and the fewest repetitions are taken.
    fn write(&self, node: &Node, depth: usize, to: &mut Writer) {
        match node {
            Node::Literal(literal) => {
                let word = literal.starts_with(char::is_alphabetic);
                if word && to.text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    to.text.push(' ');
                }
                to.text.push_str(literal);
                to.word_ends = if word { to.text.len() } else { 0 };
            }
            Node::Class { ranges, negated } => {
                let among: Vec<char> = match negated {
                    false => ranges.iter().flat_map(|(from, to)| *from..=*to).collect(),
                    true => "aZ0 _/?.,&#[]{}()@=~*%\"'\\ö日🦀\n"
                        .chars()
                        .filter(|c| !within(ranges, *c))
                        .collect(),
                };
                let c = among[to.random.below(among.len())];
                if to.word_ends == to.text.len() && (c.is_alphanumeric() || c == '_') {
                    to.text.push(' ');
                }
                to.text.push(c);
            }
            Node::Production(name) => self.write(&self.0[name], depth.saturating_sub(1), to),
            Node::Sequence(parts) => parts.iter().for_each(|part| self.write(part, depth, to)),
            Node::Choice(choices) => {
                let choice = if depth == 0 {
                    choices.len() - 1
                } else {
                    to.random.below(choices.len())
                };
                self.write(&choices[choice], depth, to);
            }
            Node::Repeat { node, least, most } => {
                let more = if depth == 0 {
                    0
                } else {
                    to.random.below(4).min(most - least)
                };
                (0..least + more).for_each(|_| self.write(node, depth, to));
            }
        }
    }
}

fn within(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&c))
}

/// A sentence being written.
struct Writer {
    text: String,
    /// Where a word of the language ended last: no letter may follow it at once.
    word_ends: usize,
    random: Random,
}

/// Names, `::=`, signs, `"literals"` and `[classes]`, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = |from: usize, sign: &str| from + rest[from..].find(sign).expect(sign) + sign.len();
        let bytes = match first {
            '/' => end(2, "*/"),
            '"' => end(1, "\""),
            '[' => end(1, "]"),
            ':' => "::=".len(),
            c if c.is_alphabetic() => rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if first != '/' {
            tokens.push(rest[..bytes].to_owned());
        }
        rest = rest[bytes..].trim_start();
    }
    tokens
}

fn choice(tokens: &mut Vec<String>) -> Node {
    let mut choices = vec![sequence(tokens)];
    while tokens.pop_if(|token| token == "|").is_some() {
        choices.push(sequence(tokens));
    }
    if choices.len() == 1 {
        choices.remove(0)
    } else {
        Node::Choice(choices)
    }
}

fn sequence(tokens: &mut Vec<String>) -> Node {
    let mut parts = Vec::new();
    loop {
        let begins_another = tokens.iter().rev().nth(1).is_some_and(|token| token == "::=");
        match tokens.last().map(String::as_str) {
            None | Some("|" | ")") => break,
            Some(_) if begins_another => break,
            Some(_) => parts.push(repeated(tokens)),
        }
    }
    Node::Sequence(parts)
}

fn repeated(tokens: &mut Vec<String>) -> Node {
    let token = tokens.pop().expect("a token");
    let node = match token.chars().next() {
        Some('(') => {
            let inside = choice(tokens);
            assert_eq!(tokens.pop().as_deref(), Some(")"));
            inside
        }
        Some('"') => Node::Literal(token.trim_matches('"').to_owned()),
        Some('[') => class(&token[1..token.len() - 1]),
        _ => Node::Production(token),
    };
    let (least, most) = match tokens.last().map(String::as_str) {
        Some("?") => (0, 1),
        Some("*") => (0, usize::MAX - 1),
        Some("+") => (1, usize::MAX - 1),
        _ => return node,
    };
    tokens.pop();
    Node::Repeat {
        node: Box::new(node),
        least,
        most,
    }
}

fn class(text: &str) -> Node {
    let (negated, mut rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
    let mut ranges = Vec::new();
    let next = |rest: &mut &str| {
        let bytes = if rest.starts_with("#x") {
            3
        } else {
            rest.chars().next().expect("a character").len_utf8()
        };
        let (one, after) = rest.split_at(bytes);
        *rest = after;
        one.strip_prefix("#x").map_or_else(
            || one.chars().next(),
            |hex| u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
        )
    };
    while !rest.is_empty() {
        let from = next(&mut rest).expect("a character");
        let to = match rest.strip_prefix('-').filter(|after| !after.is_empty()) {
            Some(after) => {
                rest = after;
                next(&mut rest).expect("a character")
            }
            None => from,
        };
        ranges.push((from, to));
    }
    Node::Class { ranges, negated }
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[test]
fn the_grammar_recognises_what_is_accepted() {
    let grammar = Grammar::read(GRAMMAR);
    for (section, line) in lines(ACCEPTED).into_iter().filter(|(_, line)| !line.is_empty()) {
        let (text, printed) = line.split_once(" => ").unwrap_or((&line, &line));
        assert!(grammar.recognises(section, text), "{text}");
        assert!(grammar.recognises(section, printed), "{printed}");
    }
}

#[test]
fn the_grammar_recognises_nothing_that_is_refused() {
    let grammar = Grammar::read(GRAMMAR);
    // What the comment at the head of the grammar says and its notation does not.
    let beyond_notation = [
        "duplicateParameter",
        "conditionsNotAllowed",
        "collectionNotAllowed",
        "nestingTooDeep",
        "tooManyHops",
    ];
    let ends_of_words = [
        "/Organization[@serial=5and @name='x']",
        "/License{r=18446744073709551616}",
    ];
    for block in lines(REFUSED)
        .split(|(_, line)| line.is_empty())
        .filter(|block| !block.is_empty())
    {
        let (section, text) = &block[0];
        let code = read(section, text, &Limits::default()).expect_err("refused").code;
        if !beyond_notation.contains(&code) && !ends_of_words.contains(&text.as_str()) {
            assert!(!grammar.recognises(section, text), "{code} {text}");
        }
    }
}

#[test]
fn sentences_of_the_grammar_are_accepted() {
    let grammar = Grammar::read(GRAMMAR);
    let most = u64::MAX;
    let limits = Limits {
        selector_bytes: most,
        nesting: most,
        predicates: most,
        selector_hops: most,
        include_hops: most,
        ..Limits::default()
    };
    let mut to = Writer {
        text: String::new(),
        word_ends: 0,
        random: Random(42),
    };
    let mut lengths = BTreeSet::new();
    for (section, count) in [("selector", 3000), ("target", 1000), ("include", 1000)] {
        for _ in 0..count {
            (to.text, to.word_ends) = (String::new(), 0);
            grammar.write(&Node::Production(section.to_owned()), 14, &mut to);
            let text = &to.text;
            match read(section, text, &limits) {
                Ok(printed) => assert_eq!(
                    read(section, &printed, &limits).as_ref(),
                    Ok(&printed),
                    "printed from {text}"
                ),
                Err(error) => assert_eq!(error.code, "duplicateParameter", "{}\n{error}", error.caret(text)),
            }
            lengths.insert(text.len());
        }
    }
    assert!(lengths.len() > 300, "sentences of {} different lengths", lengths.len());
}
