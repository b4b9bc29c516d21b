//! Paths of the vendor: `/api/catalog/licenses/…`, and behind its gateway the same after `/dm` (`doors.md` B.1). Its own
//! clients end each with a slash; others are not sent round for one.

/// What a license is for, as the paths have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Program,
    Course,
    User,
    Platform,
}

impl Family {
    pub const ALL: [Self; 4] = [Self::Program, Self::Course, Self::User, Self::Platform];

    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Course => "course",
            Self::User => "user",
            Self::Platform => "platform",
        }
    }

    /// A platform's licenses are not assigned.
    pub fn is_assigned(self) -> bool {
        self != Self::Platform
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    List(Family),
    Create(Family),
    Update(Family),
    Assignments(Family),
    Groups(Family),
    Check,
}

const MOUNTS: [&str; 2] = ["/api/catalog/licenses", "/dm/api/catalog/licenses"];

fn below(path: &str) -> Option<&str> {
    let rest = MOUNTS.iter().find_map(|mount| path.strip_prefix(mount))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

pub fn is_meant(path: &str) -> bool {
    below(path).is_some()
}

pub fn read(path: &str) -> Option<Route> {
    let segments: Vec<&str> = below(path)?.split('/').filter(|segment| !segment.is_empty()).collect();
    let (first, rest) = segments.split_first()?;
    let family = Family::ALL.into_iter().find(|family| family.name() == *first)?;
    match rest {
        [] => Some(Route::List(family)),
        ["create"] => Some(Route::Create(family)),
        ["update"] => Some(Route::Update(family)),
        ["assignment"] if family.is_assigned() => Some(Route::Assignments(family)),
        ["assignment", "group"] if family.is_assigned() => Some(Route::Groups(family)),
        ["assignment", "check"] if family == Family::User => Some(Route::Check),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read() {
        for (path, expected) in [
            ("/api/catalog/licenses/program/", Some(Route::List(Family::Program))),
            ("/dm/api/catalog/licenses/course/", Some(Route::List(Family::Course))),
            ("/api/catalog/licenses/user", Some(Route::List(Family::User))),
            ("/api/catalog/licenses//platform/", Some(Route::List(Family::Platform))),
            ("/api/catalog/licenses/user/create/", Some(Route::Create(Family::User))),
            (
                "/api/catalog/licenses/platform/update",
                Some(Route::Update(Family::Platform)),
            ),
            (
                "/api/catalog/licenses/course/assignment/",
                Some(Route::Assignments(Family::Course)),
            ),
            (
                "/dm/api/catalog/licenses/program/assignment/group/",
                Some(Route::Groups(Family::Program)),
            ),
            ("/api/catalog/licenses/user/assignment/check/", Some(Route::Check)),
            ("/api/catalog/licenses/platform/assignment/", None),
            ("/api/catalog/licenses/platform/assignment/group/", None),
            ("/api/catalog/licenses/course/assignment/check/", None),
            ("/api/catalog/licenses/", None),
            ("/api/catalog/licenses/bundle/", None),
            ("/api/catalog/licenses/program/create/more/", None),
            ("/api/catalog/licensesprogram/", None),
            ("/dm/dm/api/catalog/licenses/program/", None),
            ("/api/catalog/enrollment/programs/", None),
        ] {
            assert_eq!(read(path), expected, "{path}");
        }
        for (path, expected) in [
            ("/api/catalog/licenses", true),
            ("/dm/api/catalog/licenses/nothing/", true),
            ("/api/catalog/license", false),
            ("/graph", false),
        ] {
            assert_eq!(is_meant(path), expected, "{path}");
        }
    }
}
