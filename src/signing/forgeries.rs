//! Tokens nobody should believe (T9 of the reliability plan): every way of being wrong that tokens were ever believed with, and
//! then what chance finds. `SEATGRAPH_FORGERIES` says how many of those.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::jws::{base64, unbase64};
use super::verify::PublicKey;
use super::*;
use crate::model::Time;

const ISSUER: &str = "https://seats.example";
/// 2027-01-15T08:00:00Z, in seconds.
const NOW: i64 = 1_800_000_000;

struct World {
    rsa: Pair,
    ed: Pair,
    other_rsa: Pair,
    other_ed: Pair,
    keys: PublicKeys,
}

const RSA: &str = "00000000-0000-0000-0000-000000000001";
const ED: &str = "00000000-0000-0000-0000-000000000002";
const ENDED: &str = "00000000-0000-0000-0000-000000000003";

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let make = |algorithm| generate(algorithm).expect("a key");
    let (rsa, ed) = (make(Algorithm::Rs256), make(Algorithm::EdDsa));
    let public = |kid: &str, pair: &Pair, ends_at: Option<Time>| PublicKey {
        kid: kid.to_owned(),
        algorithm: pair.algorithm(),
        public: pair.public(),
        ends_at,
    };
    let keys = vec![
        public(RSA, &rsa, None),
        public(ED, &ed, Some(Time((NOW + 1) * 1000))),
        public(ENDED, &ed, Some(Time(NOW * 1000))),
    ];
    World {
        keys: PublicKeys::new(keys),
        other_rsa: make(Algorithm::Rs256),
        other_ed: make(Algorithm::EdDsa),
        rsa,
        ed,
    }
});

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        now: Time(NOW * 1000),
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "user", "iat": NOW, "exp": NOW + 60, "editor": true})
}

fn header(alg: &str, kid: &str) -> String {
    json!({"alg": alg, "typ": "JWT", "kid": kid}).to_string()
}

/// By whichever key, whatever its header says.
fn signed(header: &str, claims: &str, pair: &Pair) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let signature = pair.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", base64(&signature))
}

/// HS256 with something everybody knows in the place of a secret.
fn keyed(header: &str, secret: &[u8]) -> String {
    let signed = format!(
        "{}.{}",
        base64(header.as_bytes()),
        base64(claims().to_string().as_bytes())
    );
    let mut code = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    code.update(signed.as_bytes());
    format!("{signed}.{}", base64(&code.finalize().into_bytes()))
}

fn with(mut claims: Value, name: &str, value: Value) -> String {
    claims[name] = value;
    claims.to_string()
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims.to_string()
}

#[test]
fn what_is_right_is_believed() {
    let World { rsa, ed, keys, .. } = &*WORLD;
    for (header, pair) in [(header("RS256", RSA), rsa), (header("EdDSA", ED), ed)] {
        let token = signed(&header, &claims().to_string(), pair);
        let found = keys.verify(&token, &expected()).map(Value::Object);
        assert_eq!(found, Ok(claims()));
    }
    // As its clients read the server's document.
    let read = PublicKeys::from_jwks(&keys.jwks(Time(NOW * 1000))).expect("a document");
    let token = signed(&header("EdDSA", ED), &claims().to_string(), ed);
    assert!(read.verify(&token, &expected()).is_ok());
    assert!(
        keys.verify(
            &token,
            &Expected {
                now: Time((NOW + 1) * 1000),
                ..expected()
            }
        )
        .is_err()
    );
    assert!(!keys.jwks(Time(NOW * 1000)).contains(ENDED));
    assert!(!keys.jwks(Time((NOW + 1) * 1000)).contains(ED));
}

/// Each with the reason it is refused for, so that none is refused by accident.
fn forgeries() -> Vec<(String, String, Forged)> {
    let World {
        rsa,
        ed,
        other_rsa,
        other_ed,
        ..
    } = &*WORLD;
    let mut all: Vec<(String, String, Forged)> = Vec::new();
    let good = claims().to_string();
    let (rs, eddsa) = (header("RS256", RSA), header("EdDSA", ED));
    let token = signed(&eddsa, &good, ed);
    let parts: Vec<&str> = token.split('.').collect();
    let rsa_token = signed(&rs, &good, rsa);

    // Algorithms the header would like.
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS384",
        "RS512",
        "PS256",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDsa",
        "rs256",
        "Ed25519",
        "RS256 ",
        "\u{0}RS256",
    ] {
        for kid in [RSA, ED] {
            let unsigned = format!("{}.{}.", base64(header(alg, kid).as_bytes()), base64(good.as_bytes()));
            all.push((format!("alg {alg:?}, unsigned, {kid}"), unsigned, Forged::Algorithm));
        }
        all.push((
            format!("alg {alg:?}, signed"),
            signed(&header(alg, RSA), &good, rsa),
            Forged::Algorithm,
        ));
    }
    // The public key as a secret, in each form it is known in.
    let jwks = WORLD.keys.jwks(Time(0));
    let modulus = base64(&rsa.public());
    for secret in [
        rsa.public(),
        ed.public(),
        modulus.into_bytes(),
        jwks.into_bytes(),
        Vec::new(),
        vec![0; 32],
    ] {
        all.push((
            "HS256 by the public key".to_owned(),
            keyed(&header("HS256", RSA), &secret),
            Forged::Algorithm,
        ));
        all.push((
            "RS256 that is an HMAC".to_owned(),
            keyed(&rs, &secret),
            Forged::Signature,
        ));
        all.push((
            "EdDSA that is an HMAC".to_owned(),
            keyed(&eddsa, &secret),
            Forged::Signature,
        ));
    }
    // Keys that are not the one it names, of the same kind or the other.
    for (what, header, pair, why) in [
        ("another RSA key", &rs, other_rsa, Forged::Signature),
        ("another Ed25519 key", &eddsa, other_ed, Forged::Signature),
        ("the Ed25519 key for RSA", &rs, ed, Forged::Signature),
        ("the RSA key for Ed25519", &eddsa, rsa, Forged::Signature),
        (
            "RS256 said of the Ed25519 key",
            &header("RS256", ED),
            rsa,
            Forged::Algorithm,
        ),
        (
            "EdDSA said of the RSA key",
            &header("EdDSA", RSA),
            ed,
            Forged::Algorithm,
        ),
        ("a key that has ended", &header("EdDSA", ENDED), ed, Forged::UnknownKey),
    ] {
        all.push((what.to_owned(), signed(header, &good, pair), why));
    }
    // Key ids that lead elsewhere.
    for kid in [
        "",
        "0",
        "1",
        "../../../../dev/null",
        "/dev/null",
        "' OR '1'='1",
        "x' UNION SELECT 'key",
        "file:///etc/passwd",
        "http://localhost/jwks.json",
        "00000000-0000-0000-0000-000000000001 ",
        "00000000000000000000000000000001",
        "\u{0}",
        "${jndi:ldap://x}",
        "*",
    ] {
        all.push((
            format!("kid {kid:?}"),
            signed(&header("EdDSA", kid), &good, ed),
            Forged::UnknownKey,
        ));
    }
    // Members that would have the reader fetch, skip or unpack something.
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&other_ed.public())});
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/x5u")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("x", Value::Null),
    ] {
        let mut more: Value = serde_json::from_str(&eddsa).expect("a header");
        more[name] = value;
        let by = if name == "jwk" { other_ed } else { ed };
        all.push((
            format!("a header with {name}"),
            signed(&more.to_string(), &good, by),
            Forged::Header,
        ));
    }
    for (header, why) in [
        (json!({"alg": "none"}).to_string(), Forged::Algorithm),
        (
            json!({"alg": "none", "typ": "JWT", "kid": "0"}).to_string(),
            Forged::Algorithm,
        ),
        (json!({"alg": "EdDSA", "kid": ED}).to_string(), Forged::Header),
        (json!({"typ": "JWT", "kid": ED}).to_string(), Forged::Header),
        (json!({"alg": "EdDSA", "typ": "JWT"}).to_string(), Forged::Header),
        (
            json!({"alg": ["EdDSA"], "typ": "JWT", "kid": ED}).to_string(),
            Forged::Header,
        ),
        (
            json!({"alg": null, "typ": "JWT", "kid": ED}).to_string(),
            Forged::Header,
        ),
        (
            json!({"alg": "EdDSA", "typ": "JWT", "kid": 2}).to_string(),
            Forged::Header,
        ),
        (
            json!({"alg": "EdDSA", "typ": "jwt", "kid": ED}).to_string(),
            Forged::Type,
        ),
        (
            json!({"alg": "EdDSA", "typ": "at+jwt", "kid": ED}).to_string(),
            Forged::Type,
        ),
        (
            json!({"alg": "EdDSA", "typ": "JOSE", "kid": ED}).to_string(),
            Forged::Type,
        ),
        (
            format!("{{\"alg\":\"none\",\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"{ED}\"}}"),
            Forged::Malformed,
        ),
        (
            format!("{{\"alg\":\"EdDSA\",\"\\u0061lg\":\"none\",\"typ\":\"JWT\",\"kid\":\"{ED}\"}}"),
            Forged::Malformed,
        ),
        (
            format!("{{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"{RSA}\",\"kid\":\"{ED}\"}}"),
            Forged::Malformed,
        ),
        (format!("{eddsa} {{}}"), Forged::Malformed),
        ("[]".to_owned(), Forged::Malformed),
        ("null".to_owned(), Forged::Malformed),
        (String::new(), Forged::Malformed),
        ("[".repeat(10_000), Forged::Malformed),
    ] {
        all.push((format!("the header {:.60}", header), signed(&header, &good, ed), why));
    }
    // What it claims.
    for (claims, why) in [
        (with(claims(), "iss", json!("https://evil.example")), Forged::Issuer),
        (with(claims(), "iss", json!("https://seats.example/")), Forged::Issuer),
        (with(claims(), "iss", json!([ISSUER])), Forged::Issuer),
        (with(claims(), "iss", json!("")), Forged::Issuer),
        (without("iss"), Forged::Issuer),
        (with(claims(), "aud", json!("us")), Forged::Audience),
        (with(claims(), "aud", json!([])), Forged::Audience),
        (with(claims(), "aud", Value::Null), Forged::Audience),
        (without("exp"), Forged::NoEnd),
        (with(claims(), "exp", json!(NOW)), Forged::Expired),
        (with(claims(), "exp", json!(NOW - 1)), Forged::Expired),
        (with(claims(), "exp", json!(0)), Forged::Expired),
        (with(claims(), "exp", json!(-1)), Forged::Expired),
        (with(claims(), "exp", json!((NOW + 60).to_string())), Forged::Malformed),
        (with(claims(), "exp", json!(1e30)), Forged::Malformed),
        (with(claims(), "exp", json!(u64::MAX)), Forged::Malformed),
        (with(claims(), "exp", Value::Null), Forged::Malformed),
        (with(claims(), "exp", json!(true)), Forged::Malformed),
        (with(claims(), "nbf", json!(NOW + 1)), Forged::NotYet),
        (with(claims(), "nbf", json!("soon")), Forged::Malformed),
        (with(claims(), "iat", json!(NOW + 1)), Forged::NotYet),
        (with(claims(), "iat", json!(1.5)), Forged::Malformed),
        (
            format!("{},\"exp\":{}}}", good.trim_end_matches('}'), NOW + 999),
            Forged::Malformed,
        ),
        (
            format!("{},\"editor\":false}}", good.trim_end_matches('}')),
            Forged::Malformed,
        ),
        (format!("[{good}]"), Forged::Malformed),
        (format!("{good}{good}"), Forged::Malformed),
        ("true".to_owned(), Forged::Malformed),
        (String::new(), Forged::Malformed),
        ("{\"a\":".repeat(10_000), Forged::Malformed),
    ] {
        all.push((format!("the claims {:.80}", claims), signed(&eddsa, &claims, ed), why));
    }
    // The text itself.
    let changed = base64(with(claims(), "admin", json!(true)).as_bytes());
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let bits = unbase64(signature.as_bytes()).expect("a signature");
    // A signature of Ed25519 plus the order of the group, which verifiers that do not reduce take for the same.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut shifted = bits.clone();
    let mut carry = 0u16;
    for (byte, add) in shifted[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    for (what, token, why) in [
        ("nothing", String::new(), Forged::Malformed),
        ("two dots", "..".to_owned(), Forged::Malformed),
        ("one part", head.to_owned(), Forged::Malformed),
        ("two parts", format!("{head}.{body}"), Forged::Malformed),
        ("five parts, as if encrypted", format!("{token}.a.b"), Forged::Malformed),
        ("a dot too many", format!("{token}."), Forged::Malformed),
        ("a line behind", format!("{token}\n"), Forged::Malformed),
        ("a space before", format!(" {token}"), Forged::Malformed),
        ("two of them", format!("{token}&{token}"), Forged::Malformed),
        ("padded", format!("{token}=="), Forged::Malformed),
        (
            "the claims padded",
            format!("{head}.{body}=.{signature}"),
            Forged::Malformed,
        ),
        ("no signature", format!("{head}.{body}."), Forged::Signature),
        (
            "a signature of zeros",
            format!("{head}.{body}.{}", base64(&[0; 64])),
            Forged::Signature,
        ),
        (
            "RSA zeros",
            format!("{}.{}", rsa_token.rsplit_once('.').expect("dots").0, base64(&[0; 512])),
            Forged::Signature,
        ),
        (
            "RSA one",
            format!("{}.AQ", rsa_token.rsplit_once('.').expect("dots").0),
            Forged::Signature,
        ),
        (
            "a shorter signature",
            format!("{head}.{body}.{}", base64(&bits[..63])),
            Forged::Signature,
        ),
        (
            "a longer signature",
            format!("{head}.{body}.{}", base64(&[&bits[..], &[0]].concat())),
            Forged::Signature,
        ),
        (
            "a signature that is not reduced",
            format!("{head}.{body}.{}", base64(&shifted)),
            Forged::Signature,
        ),
        (
            "other claims",
            format!("{head}.{changed}.{signature}"),
            Forged::Signature,
        ),
        (
            "another header",
            format!("{}.{body}.{signature}", base64(format!("{eddsa} ").as_bytes())),
            Forged::Signature,
        ),
        (
            "the signature of another",
            format!("{head}.{body}.{}", rsa_token.rsplit_once('.').expect("dots").1),
            Forged::Signature,
        ),
        (
            "as JSON",
            json!({"payload": body, "protected": head, "signature": signature}).to_string(),
            Forged::Malformed,
        ),
        (
            "endless",
            format!("{head}.{}.{signature}", "A".repeat(100_000)),
            Forged::Malformed,
        ),
        (
            "letters of the other alphabet",
            format!("{head}.{body}.+{}", &signature[1..]),
            Forged::Malformed,
        ),
        (
            "letters of no alphabet",
            format!("{head}.{body}.é{}", &signature[1..]),
            Forged::Malformed,
        ),
    ] {
        all.push((what.to_owned(), token, why));
    }
    // Four bits of the last letter mean nothing, so that the same signature could be written in sixteen ways.
    let (rest, last) = signature.split_at(signature.len() - 1);
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = LETTERS.find(last).expect("a letter");
    for spelling in (value & !15)..(value & !15) + 16 {
        if spelling != value {
            let letter = &LETTERS[spelling..=spelling];
            let token = format!("{head}.{body}.{rest}{letter}");
            all.push((format!("the last letter {letter}"), token, Forged::Malformed));
        }
    }
    all
}

#[test]
fn no_forgery_is_believed_and_each_is_refused_for_its_own_reason() {
    let all = forgeries();
    let distinct: std::collections::HashSet<&str> = all.iter().map(|(_, token, _)| token.as_str()).collect();
    assert!(distinct.len() >= 80, "only {}", distinct.len());
    for (what, token, why) in &all {
        let found = WORLD.keys.verify(token, &expected());
        assert_eq!(found, Err(*why), "{what}: {token:.200}");
    }
    let codes: std::collections::HashSet<&str> = all.iter().map(|(.., why)| why.code()).collect();
    assert_eq!(codes.len(), 11, "{codes:?}");
}

/// What chance makes of a token that is right, and of those that are nearly right.
#[test]
fn no_token_that_was_touched_is_believed() {
    let count: usize = std::env::var("SEATGRAPH_FORGERIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let World { rsa, ed, keys, .. } = &*WORLD;
    let good = claims().to_string();
    let mut from: Vec<String> = vec![
        signed(&header("RS256", RSA), &good, rsa),
        signed(&header("EdDSA", ED), &good, ed),
    ];
    let right = from.clone();
    from.extend(
        forgeries()
            .into_iter()
            .map(|(_, token, _)| token)
            .filter(|token| token.len() < 4096 && token.is_ascii()),
    );
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0";
    let mut random = Random(7);
    for round in 0..count {
        // Half of the time one that is right, since that is the nearest.
        let token = if round % 2 == 0 {
            &right[random.below(2)]
        } else {
            &from[random.below(from.len())]
        };
        let mut bytes = token.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() + 1);
            let letter = LETTERS[random.below(LETTERS.len())];
            match random.below(5) {
                0 => bytes.insert(at, letter),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => {
                    let other = &from[random.below(from.len())];
                    let cut = random.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other.as_bytes()[cut..]);
                }
                3 if at + 1 < bytes.len() => bytes.swap(at, at + 1),
                _ if at < bytes.len() => bytes[at] = letter,
                _ => {}
            }
        }
        let Ok(touched) = String::from_utf8(bytes) else {
            continue;
        };
        let believed = keys.verify(&touched, &expected()).is_ok();
        assert!(!believed || right.contains(&touched), "round {round}: {touched}");
    }
}

/// Splitmix64: the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

/// What the server signs, read by an implementation that is not ours.
#[test]
fn others_read_what_we_sign() {
    let entity = |serial: u64, pair: &Pair| {
        let new = NewKey::new(Uuid::from_u128(u128::from(serial)), pair, None).expect("a key");
        crate::model::Entity::new(
            crate::model::Header {
                id: new.id,
                serial,
                revision: serial,
                created: Time(0),
                updated: Time(0),
                kind: crate::model::Kind::SigningKey,
            },
            new.fields,
        )
    };
    let entities = [entity(1, &WORLD.rsa), entity(2, &WORLD.ed)];
    let ring = Keyring::open(entities.iter(), None);
    let document: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&ring.public().jwks(Time(0))).expect("a document");
    for (at, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let token = ring.sign(algorithm, claims().to_string().as_bytes()).expect("a token");
        let header = jsonwebtoken::decode_header(&token).expect("a header");
        assert_eq!(header.typ.as_deref(), Some("JWT"));
        let jwk = document.find(header.kid.as_deref().expect("a kid")).expect("its key");
        assert_eq!(jwk, &document.keys[at], "in the order of the document");
        let key = jsonwebtoken::DecodingKey::from_jwk(jwk).expect("a key");
        let (signed, signature) = token.rsplit_once('.').expect("dots");
        assert_eq!(
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, header.alg),
            Ok(true)
        );
        let read = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).expect("claims");
        assert_eq!(read.claims, claims());
    }
}
