//! Targets as clients send them: all of the selector encoded, some of it, none.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::limits::Limits;
use crate::selector;

fn check(raw: &str, selector: &str, pairs: &[(&str, &str)], includes: &[&str]) {
    let expected = RawTarget {
        selector: selector.to_owned(),
        pairs: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        includes: includes.iter().map(|include| (*include).to_owned()).collect(),
    };
    assert_eq!(split(raw), Ok(expected), "{raw}");
}

#[test]
fn encodings_of_one_selector() {
    for raw in [
        "/Organization[@name='Å & Ö?']/~OneToMany/License{i=0,r=5}",
        "/Organization[@name='%C3%85 & %C3%96?']/~OneToMany/License{i=0,r=5}",
        "/Organization[@name='%C3%85%20%26%20%C3%96%3F']/~OneToMany/License{i=0,r=5}",
        "/Organization[@name%3D'%C3%85%20&%20%C3%96?']/~OneToMany/License{i=0,r=5}",
        "/Organization%5B%40name='%c3%85%20&%20%c3%96%3f'%5D/%7EOneToMany/License%7Bi%3D0%2Cr%3D5%7D",
        "/Organization[@name=%27%C3%85%20&%20%C3%96?%27]/~OneToMany/License{i=0,r=5}",
        "%2FOrganization%5B%40name%3D%27%C3%85%20%26%20%C3%96%3F%27%5D%2F%7EOneToMany%2FLicense%7Bi%3D0%2Cr%3D5%7D",
        "%2F%4F%72%67anization[@name='%C3%85%20&%20%C3%96?']%2F~OneToMany/License{i=0,r=5}",
    ] {
        let decoded = "/Organization[@name='Å & Ö?']/~OneToMany/License{i=0,r=5}";
        check(raw, decoded, &[], &[]);
        check(&format!("{raw}?wrap=false"), decoded, &[("wrap", "false")], &[]);
        check(
            &format!("{raw}?/~ManyToOne/Person"),
            decoded,
            &[],
            &["/~ManyToOne/Person"],
        );
        assert!(selector::parse(decoded, &Limits::default()).is_ok());
    }
}

#[test]
fn signs_between_quotes_belong_to_the_text() {
    check("/A[@a='a/b']?x=1", "/A[@a='a/b']", &[("x", "1")], &[]);
    check("/A[@a='a%2Fb']?x=1", "/A[@a='a/b']", &[("x", "1")], &[]);
    check("/A[@a='a?b']?x=1", "/A[@a='a?b']", &[("x", "1")], &[]);
    check("/A[@a='a%3Fb']?x=1", "/A[@a='a?b']", &[("x", "1")], &[]);
    check("/A[@a=%27a?b%27]?x=1", "/A[@a='a?b']", &[("x", "1")], &[]);
    check("/A[@a=%27a?b']?x=1", "/A[@a='a?b']", &[("x", "1")], &[]);
    check("/A[@a='a.b'].json?x=1", "/A[@a='a.b'].json", &[("x", "1")], &[]);
    check("/A[@a='a,b']", "/A[@a='a,b']", &[], &[]);
    check("/A[@a='a&b=c']?x=1", "/A[@a='a&b=c']", &[("x", "1")], &[]);
    check("/A[@a='a%23b']?x=1", "/A[@a='a#b']", &[("x", "1")], &[]);
    check("/A[@a='a+b']?x=a+b", "/A[@a='a+b']", &[("x", "a b")], &[]);
    check("/A[@a='a;b']?x=1", "/A[@a='a;b']", &[("x", "1")], &[]);
    check("/A[@a='?'][@b='?']?x=?", "/A[@a='?'][@b='?']", &[("x", "?")], &[]);
}

#[test]
fn quotes_within_a_text_do_not_end_it() {
    check("/A[@a='O''Brien?']?x=1", "/A[@a='O''Brien?']", &[("x", "1")], &[]);
    check("/A[@a='O%27%27Brien?']?x=1", "/A[@a='O''Brien?']", &[("x", "1")], &[]);
    check("/A[@a='O\\'Brien?']?x=1", "/A[@a='O\\'Brien?']", &[("x", "1")], &[]);
    check("/A[@a='O%5C'Brien?']?x=1", "/A[@a='O\\'Brien?']", &[("x", "1")], &[]);
    check("/A[@a='O%5c%27Brien?']?x=1", "/A[@a='O\\'Brien?']", &[("x", "1")], &[]);
    check("/A[@a='C:\\\\']?x='1'", "/A[@a='C:\\\\']", &[("x", "'1'")], &[]);
    check("/A[@a='C:\\x?']?x=1", "/A[@a='C:\\x?']", &[("x", "1")], &[]);
    check("/A[@a='']?x=1", "/A[@a='']", &[("x", "1")], &[]);
    check("/A[@a='''?''']?x=1", "/A[@a='''?''']", &[("x", "1")], &[]);
    // Never closed: all of it is the selector, and the parser shows where the text begins.
    check("/A[@a='x]?x=1", "/A[@a='x]?x=1", &[], &[]);
}

#[test]
fn queries_are_forms() {
    check("", "", &[], &[]);
    check("/", "/", &[], &[]);
    check("?", "", &[], &[]);
    check("?operation=Login", "", &[("operation", "Login")], &[]);
    check("/?a=1&b=2", "/", &[("a", "1"), ("b", "2")], &[]);
    check("/me?a=1&a=2", "/me", &[("a", "1"), ("a", "2")], &[]);
    check("/me?a", "/me", &[("a", "")], &[]);
    check("/me?a=", "/me", &[("a", "")], &[]);
    check("/me?=a", "/me", &[("", "a")], &[]);
    check("/me?&&a=1&", "/me", &[("a", "1")], &[]);
    check("/me?a=b=c", "/me", &[("a", "b=c")], &[]);
    check("/me?a%3Db=c%26d", "/me", &[("a=b", "c&d")], &[]);
    check("/me?a=x+y%2Bz%20w", "/me", &[("a", "x y+z w")], &[]);
    check("/me?name=O'Brien&x=1", "/me", &[("name", "O'Brien"), ("x", "1")], &[]);
    check(
        "/me?to=/Entitlement[@name='x']&x=1",
        "/me",
        &[("to", "/Entitlement[@name='x']"), ("x", "1")],
        &[],
    );
    check(
        "/me?to=%2FEntitlement%5B%40name%3D%27x%26y%27%5D",
        "/me",
        &[("to", "/Entitlement[@name='x&y']")],
        &[],
    );
    check("/me?a=%F0%9F%A6%80", "/me", &[("a", "🦀")], &[]);
    check("/me%3Fa=1", "/me?a=1", &[], &[]);
}

#[test]
fn includes_are_names_that_begin_with_a_relation() {
    let person = "/~ManyToOne/Person";
    let email = "/~OneToMany/ContactInformation/~OneToMany/EmailAddress";
    check("/me?/~ManyToOne/Person", "/me", &[], &[person]);
    check(&format!("/me?{person}&{email}"), "/me", &[], &[person, email]);
    check(
        &format!("/me?wrap=false&{person}&x=1&{email}&y=2"),
        "/me",
        &[("wrap", "false"), ("x", "1"), ("y", "2")],
        &[person, email],
    );
    check("/me?%2F%7EManyToOne%2FPerson", "/me", &[], &[person]);
    check(
        "/me?%2f~ManyToOne/Person&/%7eManyToOne/Person",
        "/me",
        &[],
        &[person, person],
    );
    check("/me?/~ManyToOne/Person=", "/me", &[], &[person]);
    check("/me?/~ManyToOne/Person=&a=1", "/me", &[("a", "1")], &[person]);
    check("/me?/~ManyToOne/Person=true", "/me", &[], &["/~ManyToOne/Person=true"]);
    check("/me?/~ManyToOne/Person%3D", "/me", &[], &["/~ManyToOne/Person="]);
    check(
        "/me?/~R[@a='x&y=z?']/B&c=1",
        "/me",
        &[("c", "1")],
        &["/~R[@a='x&y=z?']/B"],
    );
    check(
        "/me?/~R[@a=%27x&y%27]/B&c=1",
        "/me",
        &[("c", "1")],
        &["/~R[@a='x&y']/B"],
    );
    check("/me?/~R[@a='x%26y']/B&c=1", "/me", &[("c", "1")], &["/~R[@a='x&y']/B"]);
    check(
        "/me?/~R[@a=1 and @b='O''B&']/B&c=1",
        "/me",
        &[("c", "1")],
        &["/~R[@a=1 and @b='O''B&']/B"],
    );
    check(
        "/me?/~R[@a=1+and+@b='x%2By']/B",
        "/me",
        &[],
        &["/~R[@a=1 and @b='x+y']/B"],
    );
    check("/me?/~R[@a='x&c=1", "/me", &[], &["/~R[@a='x&c=1"]);
    check("/me?a=/~ManyToOne/Person", "/me", &[("a", person)], &[]);
    check("/me?/Person=1&~x=2", "/me", &[("/Person", "1"), ("~x", "2")], &[]);
    check("/me?/~", "/me", &[], &["/~"]);
}

fn refused(raw: &str, code: &str, beneath: &str, message: &str) {
    let error = split(raw).expect_err(raw);
    assert_eq!(
        (error.code, error.caret(raw)),
        (code, format!("{raw}\n{beneath}")),
        "{error}"
    );
    assert_eq!(error.to_string(), message);
}

#[test]
fn broken_encodings_are_shown() {
    refused("/A%", "brokenEscape", "  ^", "broken percent-encoding `%`");
    refused("/A%2", "brokenEscape", "  ^^", "broken percent-encoding `%2`");
    refused("/A%zz[@a=1]", "brokenEscape", "  ^^^", "broken percent-encoding `%zz`");
    refused(
        "/A[@a='50%']?x=1",
        "brokenEscape",
        "         ^^^",
        "broken percent-encoding `%']`",
    );
    refused(
        "/A[@a='100%25%']",
        "brokenEscape",
        "             ^^^",
        "broken percent-encoding `%']`",
    );
    refused("/A?x=%", "brokenEscape", "     ^", "broken percent-encoding `%`");
    refused("/A?%x=1", "brokenEscape", "   ^^", "broken percent-encoding `%x`");
    refused("/A%2?x=1", "brokenEscape", "  ^^", "broken percent-encoding `%2`");
    refused("/A?a=%4&b=1", "brokenEscape", "     ^^", "broken percent-encoding `%4`");
    refused(
        "/A?/~R/B%g0",
        "brokenEscape",
        "        ^^^",
        "broken percent-encoding `%g0`",
    );
    refused(
        "/A[@a='%+1']",
        "brokenEscape",
        "       ^^^",
        "broken percent-encoding `%+1`",
    );
    refused("/A%ö", "brokenEscape", "  ^^", "broken percent-encoding `%ö`");
    refused(
        "/A[@a='%F6']",
        "notUtf8",
        "       ^^^",
        "the bytes encoded as `%F6` are not UTF-8",
    );
    refused(
        "/A[@a='%C3']",
        "notUtf8",
        "       ^^^",
        "the bytes encoded as `%C3` are not UTF-8",
    );
    refused(
        "/A[@a='%C3%B6%E2%82']",
        "notUtf8",
        "             ^^^^^^",
        "the bytes encoded as `%E2%82` are not UTF-8",
    );
    refused(
        "/A%F0%9F",
        "notUtf8",
        "  ^^^",
        "the bytes encoded as `%F0` are not UTF-8",
    );
    refused(
        "/A?x=%C0%AF",
        "notUtf8",
        "     ^^^",
        "the bytes encoded as `%C0` are not UTF-8",
    );
    refused(
        "/A?x=%ED%A0%80",
        "notUtf8",
        "     ^^^",
        "the bytes encoded as `%ED` are not UTF-8",
    );
}

#[test]
fn what_was_encoded_twice_is_decoded_once() {
    check("/A%255B@a=1%255D", "/A%5B@a=1%5D", &[], &[]);
    let error = selector::parse("/A%5B@a=1%5D", &Limits::default()).expect_err("not a name");
    assert_eq!(error.help, "this looks percent-encoded twice: encode the selector once");
    check("/A[@a='100%2525']", "/A[@a='100%25']", &[], &[]);
}

/// Encodes some characters and leaves others, those that cannot be sent raw always.
fn encoded(text: &str, choices: &[bool], must: &str) -> String {
    text.chars()
        .zip(choices.iter().cycle())
        .map(|(c, encode)| {
            if *encode || must.contains(c) {
                c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
            } else {
                c.to_string()
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_encoding_comes_back(
        texts in proptest::collection::vec("[a?&='/+#%. \\\\ö日\u{0}-\u{20}]{0,12}", 1..4),
        choices in proptest::collection::vec(any::<bool>(), 1..17),
    ) {
        let quoted: Vec<_> = texts.iter().map(|text| text.replace('\\', "\\\\").replace('\'', "''")).collect();
        let selector: String = "/A".chars().chain(quoted.iter().flat_map(|text| format!("[@a='{text}']").chars().collect::<Vec<_>>())).collect();
        let include: String = quoted.iter().map(|text| format!("/~R[@a='{text}']/B")).collect();
        let raw = format!(
            "{}?{}={}&{}&x=1",
            encoded(&selector, &choices, "%"),
            encoded(&texts[0], &choices, "%&+=/ "),
            encoded(&texts[0], &choices, "%&+"),
            encoded(&include, &choices, "%+"),
        );
        let expected = RawTarget {
            selector,
            pairs: [(texts[0].clone(), texts[0].clone()), ("x".to_owned(), "1".to_owned())].into(),
            includes: vec![include],
        };
        prop_assert_eq!(split(&raw), Ok(expected), "{}", raw);
    }

    #[test]
    fn any_target_is_harmless(raw in any::<String>(), bytes in "[/~?&='%0-9A-Fa-f\\\\+]{0,40}") {
        for raw in [raw, bytes] {
            if let Err(error) = split(&raw) {
                prop_assert_eq!(error.caret(&raw).lines().count(), 2);
                prop_assert!(raw.get(error.span.start as usize..error.span.end as usize).is_some_and(|sent| !sent.is_empty()));
            }
        }
    }
}

#[test]
fn a_cursor_takes_the_place_of_the_one_before() {
    for (raw, selector, expected) in [
        ("/License", None, "/License?cursor=n"),
        ("/License?", None, "/License?cursor=n"),
        (
            "/License{r=3}.json?wrap=false&cursor=o",
            None,
            "/License{r=3}.json?wrap=false&cursor=n",
        ),
        ("/License?cursor=o&wrap=false", None, "/License?wrap=false&cursor=n"),
        ("/License?xcursor=o", None, "/License?xcursor=o&cursor=n"),
        ("/License?%63ursor=o&wrap=false", None, "/License?wrap=false&cursor=n"),
        ("/License?wrap=false&c%75rso%72=o", None, "/License?wrap=false&cursor=n"),
        ("/License?cursor%3Do=p", None, "/License?cursor%3Do=p&cursor=n"),
        (
            "/License[@name!='a?cursor=b&c']{r=3}?wrap=false&/~ManyToOne/Person[@name='&cursor=p']&cursor=o",
            None,
            "/License[@name!='a?cursor=b&c']{r=3}?wrap=false&/~ManyToOne/Person[@name='&cursor=p']&cursor=n",
        ),
        (
            "/License[@name!=%27a?b%27]{i=2,r=3}?wrap=false",
            Some("/License[@name!='a%3Fb']{r=3}"),
            "/License[@name!='a%3Fb']{r=3}?wrap=false&cursor=n",
        ),
    ] {
        assert_eq!(with_cursor(raw, selector, "n"), expected, "{raw}");
    }
}
