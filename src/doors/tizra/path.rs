//! Paths of the vendor: `/admin-api/{site}` and what is below it (`doors.md` C.2). Split first and decoded after, each segment
//! once; an empty one counts for nothing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is encoded in a segment of an address: an id may be any text.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The site itself: operations by name.
    Operations,
    Licenses,
    License(String),
    Sessions,
    Object(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub site: String,
    /// The same as it was sent, for addresses in answers.
    pub raw_site: String,
    pub place: Place,
}

impl Asked {
    /// The address of an object of the site.
    pub fn object(&self, id: &str) -> String {
        let id = utf8_percent_encode(id, SEGMENT);
        format!("/admin-api/{}/objects/{id}", self.raw_site)
    }
}

fn segments(path: &str) -> Option<impl Iterator<Item = &str>> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    (segments.next()? == "admin-api").then_some(segments)
}

pub fn is_meant(path: &str) -> bool {
    segments(path).is_some()
}

/// `None` also of what is not UTF-8 once decoded.
pub fn read(path: &str) -> Option<Asked> {
    let decoded = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8();
        text.ok().map(|text| text.into_owned())
    };
    let mut segments = segments(path)?;
    let raw_site = segments.next()?;
    let rest: Vec<&str> = segments.collect();
    let place = match rest.as_slice() {
        [] => Place::Operations,
        ["licenses"] => Place::Licenses,
        ["licenses", id] => Place::License(decoded(id)?),
        ["session-login"] => Place::Sessions,
        ["objects", id] => Place::Object(decoded(id)?),
        _ => return None,
    };
    Some(Asked {
        site: decoded(raw_site)?,
        raw_site: raw_site.to_owned(),
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read() {
        let check = |path: &str, expected: Option<(&str, Place)>| {
            let read = read(path).map(|asked| (asked.site, asked.place));
            assert_eq!(read, expected.map(|(site, place)| (site.to_owned(), place)), "{path}");
        };
        let object = |id: &str| Place::Object(id.to_owned());
        check("/admin-api/9p2", Some(("9p2", Place::Operations)));
        check("/admin-api/9p2/", Some(("9p2", Place::Operations)));
        check("//admin-api//9p2/licenses/", Some(("9p2", Place::Licenses)));
        check(
            "/admin-api/9p2/licenses/x",
            Some(("9p2", Place::License("x".to_owned()))),
        );
        check("/admin-api/9p2/session-login", Some(("9p2", Place::Sessions)));
        check("/admin-api/a%2Fb/objects/%C3%A4", Some(("a/b", object("ä"))));
        check("/admin-api/%2e%2E/objects/a%20b", Some(("..", object("a b"))));
        for path in [
            "/",
            "",
            "/admin-api",
            "/admin-api/",
            "/admin-apis/9p2",
            "/x/admin-api/9p2",
            "/admin-api/9p2/license",
            "/admin-api/9p2/objects",
            "/admin-api/9p2/licenses/x/y",
            "/admin-api/%FF",
            "/admin-api/9p2/objects/%FF",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn an_address_leads_back_to_its_object() {
        for (site, id, expected) in [
            ("9p2", "pfss", "/admin-api/9p2/objects/pfss"),
            ("a%2Fb", "alto-1", "/admin-api/a%2Fb/objects/alto-1"),
            ("9p2", "a b/ä\r\n", "/admin-api/9p2/objects/a%20b%2F%C3%A4%0D%0A"),
        ] {
            let asked = read(&format!("/admin-api/{site}")).unwrap();
            let address = asked.object(id);
            assert_eq!(address, expected);
            assert_eq!(read(&address).unwrap().place, Place::Object(id.to_owned()));
        }
    }
}
