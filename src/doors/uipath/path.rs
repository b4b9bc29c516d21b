//! Paths of the vendor: `/{organization}/lease_/api/…`, and the older `/lease_/…` and `/la/…` without the organization
//! (`doors.md` A.1). Split first and decoded after, each segment once; an empty one is a doubled slash, as the vendor's
//! own pages print it.

use percent_encoding::percent_decode_str;

/// Which of the vendor's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Lease,
    Portal,
    Identity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub service: Service,
    /// What stands before the service.
    pub organization: Option<String>,
    /// What follows `api`.
    segments: Vec<String>,
}

impl Asked {
    pub fn rest(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

fn service(segment: &str) -> Option<Service> {
    match segment {
        "lease_" | "la" => Some(Service::Lease),
        "portal_" | "portal" => Some(Service::Portal),
        "identity_" | "identity" => Some(Service::Identity),
        _ => None,
    }
}

pub fn is_meant(path: &str) -> bool {
    begin(path).is_some()
}

/// The service, the organization, and what follows `api`, still encoded.
fn begin(path: &str) -> Option<(Service, Option<&str>, impl Iterator<Item = &str>)> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let first = segments.next()?;
    let is_api = |segments: &mut std::iter::Peekable<_>| segments.next_if(|next: &&str| *next == "api").is_some();
    if let Some(found) = service(first) {
        // Some of the portal's clients name it twice.
        let again = found == Service::Portal && segments.next_if(|next| *next == first).is_some();
        if is_api(&mut segments) {
            return Some((found, None, segments));
        }
        if again {
            return None;
        }
    }
    let name = segments.next()?;
    let found = service(name)?;
    if found == Service::Portal {
        let _ = segments.next_if(|next| *next == name);
    }
    is_api(&mut segments).then_some((found, Some(first), segments))
}

/// `None` also of what is not UTF-8 once decoded.
pub fn read(path: &str) -> Option<Asked> {
    let decoded = |segment: &str| {
        percent_decode_str(segment)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    let (service, organization, segments) = begin(path)?;
    let organization = match organization {
        Some(organization) => Some(decoded(organization)?),
        None => None,
    };
    Some(Asked {
        service,
        organization,
        segments: segments.map(decoded).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read() {
        let check = |path: &str, expected: Option<(Service, Option<&str>, &[&str])>| {
            let read = read(path);
            let told = read
                .as_ref()
                .map(|asked| (asked.service, asked.organization.as_deref(), asked.rest()));
            let expected = expected.map(|(service, organization, rest)| (service, organization, rest.to_vec()));
            assert_eq!(told, expected, "{path}");
        };
        let one: &[&str] = &["account", "a", "user-license"];
        check("/lease_/api/account/a/user-license", Some((Service::Lease, None, one)));
        check("/la/api/account/a/user-license", Some((Service::Lease, None, one)));
        check(
            "/acme/lease_/api/account/a/user-license",
            Some((Service::Lease, Some("acme"), one)),
        );
        check(
            "//acme/lease_/api/account/a/user-license/",
            Some((Service::Lease, Some("acme"), one)),
        );
        check(
            "/la/la/api/account/a/user-license",
            Some((Service::Lease, Some("la"), one)),
        );
        check(
            "/{org}/lease_/api/account/a/user-license",
            Some((Service::Lease, Some("{org}"), one)),
        );
        check(
            "/a%2Fb/lease_/api/account/%C3%A4/user-license",
            Some((Service::Lease, Some("a/b"), &["account", "ä", "user-license"])),
        );
        check(
            "/acme/portal_/portal_/api/x",
            Some((Service::Portal, Some("acme"), &["x"])),
        );
        check("/portal/api/x", Some((Service::Portal, None, &["x"])));
        check("/portal_/portal_/api/x", Some((Service::Portal, None, &["x"])));
        check(
            "/acme/identity_/api/Group/p",
            Some((Service::Identity, Some("acme"), &["Group", "p"])),
        );
        for path in [
            "/",
            "",
            "/lease_",
            "/lease_/account/a",
            "/acme/x/lease_/api/a",
            "/graph",
            "/api/lease_",
            "/%FF/lease_/api/a",
        ] {
            check(path, None);
        }
    }
}
