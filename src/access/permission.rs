//! What a permission names, and sets of them. A set is a few words of bits: it is copied with every request.

use std::fmt;

use crate::model::Kind;
use crate::model::schema::RelationType;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Read,
    Create,
    Update,
    Delete,
}

impl Action {
    pub const ALL: [Action; 4] = [Self::Read, Self::Create, Self::Update, Self::Delete];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Something a permission names: `<Resource>.<action>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    Kind(Kind, Action),
    /// `Membership.create`. There is no `Membership.read`: a relation is read by whoever reads both of its ends, since
    /// hiding it would need a second graph in which neighbours are strangers; its fields are no secret to them.
    Relation(RelationType, Action),
    LicenseConsume,
    LicenseCheck,
    LicenseImpersonate,
    AuditRead,
    EventRead,
    TokenManage,
    ServerExplain,
    ServerImport,
    ServerExport,
    ServerBackup,
}

const SPECIAL: [(Permission, &str, &str); 10] = [
    (Permission::LicenseConsume, "License", "consume"),
    (Permission::LicenseCheck, "License", "check"),
    (Permission::LicenseImpersonate, "License", "impersonate"),
    (Permission::AuditRead, "Audit", "read"),
    (Permission::EventRead, "Event", "read"),
    (Permission::TokenManage, "Token", "manage"),
    (Permission::ServerExplain, "Server", "explain"),
    (Permission::ServerImport, "Server", "import"),
    (Permission::ServerExport, "Server", "export"),
    (Permission::ServerBackup, "Server", "backup"),
];

/// What can be done to a named relation.
const RELATION_ACTIONS: [Action; 3] = [Action::Create, Action::Update, Action::Delete];

impl Permission {
    /// Every one there is, once.
    pub fn all() -> impl Iterator<Item = Permission> {
        let kinds = Kind::public().flat_map(|kind| Action::ALL.map(|action| Self::Kind(kind, action)));
        let relations = RelationType::NAMED
            .iter()
            .flat_map(|relation_type| RELATION_ACTIONS.map(|action| Self::Relation(*relation_type, action)));
        kinds
            .chain(relations)
            .chain(SPECIAL.iter().map(|(permission, ..)| *permission))
    }

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Kind(kind, action) => (kind.name(), action.name()),
            Self::Relation(relation_type, action) => (relation_type.name(), action.name()),
            special => SPECIAL
                .iter()
                .find(|(permission, ..)| *permission == special)
                .map_or(("", ""), |(_, resource, action)| (*resource, *action)),
        }
    }

    pub fn resource(self) -> &'static str {
        self.parts().0
    }

    pub fn action(self) -> &'static str {
        self.parts().1
    }

    /// Not about some entities, but about the server they all live on.
    pub fn concerns_server(self) -> bool {
        matches!(
            self,
            Self::ServerExplain | Self::ServerImport | Self::ServerExport | Self::ServerBackup
        )
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, action) = self.parts();
        write!(out, "{resource}.{action}")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    #[error("`{0}` is not a permission: it needs the form `Resource.action`")]
    Form(String),
    #[error("unknown resource `{resource}` in the permission `{text}`; there are {}", known.join(", "))]
    Resource {
        text: String,
        resource: String,
        known: Vec<&'static str>,
    },
    #[error("unknown action `{action}` in the permission `{text}`; there are {}", known.join(", "))]
    Action {
        text: String,
        action: String,
        known: Vec<&'static str>,
    },
}

/// A set of permissions; `*` on either side is expanded when parsed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions {
    /// A bit a kind, a word an action.
    kinds: [u64; 4],
    /// A bit a relation type, a byte an action.
    relations: [u8; 4],
    special: u16,
}

const _: () = assert!(Kind::ALL.len() <= 64 && SPECIAL.len() <= 16 && (RelationType::Partnership as usize) < 8);

impl Permissions {
    pub const NONE: Permissions = Permissions {
        kinds: [0; 4],
        relations: [0; 4],
        special: 0,
    };
    /// `*.*`: all bits, which is more than there are permissions, so that nothing new is forgotten.
    pub const ALL: Permissions = Permissions {
        kinds: [u64::MAX; 4],
        relations: [u8::MAX; 4],
        special: u16::MAX,
    };

    /// `"License.read"`, `"*.read"`, `"License.*"`, `"*.*"`.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        let (resource, action) = match text.split_once('.') {
            Some((resource, action)) if !resource.is_empty() && !action.is_empty() && !action.contains('.') => {
                (resource, action)
            }
            _ => return Err(PermissionError::Form(text.to_owned())),
        };
        if resource == "*" && action == "*" {
            return Ok(Self::ALL);
        }
        // Bits and one look-up: tokens are parsed on every request. Only what names nothing is looked at closely.
        let named = Self::named(resource, action);
        if named != Self::NONE {
            return Ok(named);
        }
        let of_resource = |permission: &Permission| resource == "*" || permission.resource() == resource;
        if !Permission::all().any(|permission| of_resource(&permission)) {
            let known = distinct(Permission::all().map(Permission::resource));
            return Err(PermissionError::Resource {
                text: text.to_owned(),
                resource: resource.to_owned(),
                known,
            });
        }
        let known = distinct(Permission::all().filter(of_resource).map(Permission::action));
        Err(PermissionError::Action {
            text: text.to_owned(),
            action: action.to_owned(),
            known,
        })
    }

    /// All that fits both sides, each a name or `*`.
    fn named(resource: &str, action: &str) -> Self {
        let every = resource == "*";
        let public = |kind: Kind| if kind.def().internal { 0 } else { 1u64 << kind as u8 };
        let kinds = if every {
            Kind::ALL.iter().fold(0, |bits, kind| bits | public(*kind))
        } else {
            Kind::named(resource).map_or(0, public)
        };
        let relations = RelationType::NAMED
            .iter()
            .filter(|relation_type| every || relation_type.name() == resource)
            .fold(0, |bits, relation_type| bits | 1u8 << *relation_type as u8);
        let mut named = Self::NONE;
        for one in Action::ALL
            .into_iter()
            .filter(|one| action == "*" || one.name() == action)
        {
            named.kinds[one as usize] = kinds;
            if RELATION_ACTIONS.contains(&one) {
                named.relations[one as usize] = relations;
            }
        }
        for (index, (_, of, what)) in SPECIAL.iter().enumerate() {
            if (every || *of == resource) && (action == "*" || *what == action) {
                named.special |= 1 << index;
            }
        }
        named
    }

    pub fn parse_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PermissionError> {
        texts
            .into_iter()
            .try_fold(Self::NONE, |all, text| Ok(all.union(Self::parse(text)?)))
    }

    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        for (mine, theirs) in self.kinds.iter_mut().zip(other.kinds) {
            *mine |= theirs;
        }
        for (mine, theirs) in self.relations.iter_mut().zip(other.relations) {
            *mine |= theirs;
        }
        self.special |= other.special;
        self
    }

    /// All of the other's are among these: nobody gives what they do not hold.
    pub fn contains(&self, other: &Self) -> bool {
        self.union(*other) == *self
    }

    pub fn contains_one(&self, permission: Permission) -> bool {
        match permission {
            // Internal kinds are for nobody, not even for `*.*`.
            Permission::Kind(kind, action) => {
                self.kinds[action as usize] >> kind as u8 & 1 == 1 && !kind.def().internal
            }
            Permission::Relation(_, Action::Read) => true,
            Permission::Relation(relation_type, action) => {
                self.relations[action as usize] >> relation_type as u8 & 1 == 1
            }
            special => special_bit(special) & self.special != 0,
        }
    }

    fn insert(&mut self, permission: Permission) {
        match permission {
            Permission::Kind(kind, action) => self.kinds[action as usize] |= 1 << kind as u8,
            Permission::Relation(relation_type, action) => self.relations[action as usize] |= 1 << relation_type as u8,
            special => self.special |= special_bit(special),
        }
    }

    /// As people write them: `*` where it says the same.
    pub fn print(&self) -> Vec<String> {
        if *self == Self::ALL {
            return vec!["*.*".to_owned()];
        }
        let held = |permission: Permission| self.contains_one(permission);
        let everywhere: Vec<&str> = Action::ALL
            .into_iter()
            .map(Action::name)
            .filter(|name| {
                Permission::all()
                    .filter(|permission| permission.action() == *name)
                    .all(held)
            })
            .collect();
        let mut texts: Vec<String> = everywhere.iter().map(|action| format!("*.{action}")).collect();
        for resource in distinct(Permission::all().map(Permission::resource)) {
            let of_it = || Permission::all().filter(move |permission| permission.resource() == resource);
            let left: Vec<Permission> = of_it()
                .filter(|permission| held(*permission) && !everywhere.contains(&permission.action()))
                .collect();
            if left.len() > 1 && of_it().all(held) {
                texts.push(format!("{resource}.*"));
            } else {
                texts.extend(left.iter().map(Permission::to_string));
            }
        }
        texts
    }
}

fn special_bit(special: Permission) -> u16 {
    SPECIAL
        .iter()
        .position(|(permission, ..)| *permission == special)
        .map_or(0, |index| 1 << index)
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        let mut all = Self::NONE;
        for permission in permissions {
            all.insert(permission);
        }
        all
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.print()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(texts: &[&str]) -> Permissions {
        Permissions::parse_all(texts.iter().copied()).unwrap()
    }

    #[test]
    fn a_text_means_its_permissions() {
        for (texts, permission, expected) in [
            (&["License.read"][..], "License.read", true),
            (&["License.read"], "License.update", false),
            (&["License.read"], "Entitlement.read", false),
            (&["License.*"], "License.impersonate", true),
            (&["License.*"], "LicensedItem.read", false),
            (&["*.read"], "Audit.read", true),
            (&["*.read"], "Property.read", true),
            (&["*.read"], "Property.create", false),
            (&["*.delete"], "Membership.delete", true),
            (&["Membership.*"], "Membership.create", true),
            (&["*.*"], "Server.backup", true),
            (&["*.*"], "Implies.create", true),
            (&["*.consume"], "License.consume", true),
            (&[], "License.read", false),
        ] {
            assert_eq!(
                held(texts).contains(&held(&[permission])),
                expected,
                "{texts:?} {permission}"
            );
        }
    }

    #[test]
    fn what_is_no_permission_is_refused_with_what_is() {
        for (text, says) in [
            ("License", "it needs the form"),
            ("License.", "it needs the form"),
            (".read", "it needs the form"),
            ("License.read.x", "it needs the form"),
            ("", "it needs the form"),
            ("Licence.read", "unknown resource `Licence`"),
            ("license.read", "unknown resource `license`"),
            ("License.write", "unknown action `write`"),
            (
                "License.write",
                "there are read, create, update, delete, consume, check, impersonate",
            ),
            ("Membership.read", "there are create, update, delete"),
            ("Token.read", "there are manage"),
            ("*.fly", "unknown action `fly`"),
        ] {
            let refused = Permissions::parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn a_pattern_is_what_fits_both_sides() {
        let mut names = vec!["*"];
        names.extend(Permission::all().flat_map(|permission| [permission.resource(), permission.action()]));
        names.dedup();
        for (resource, action) in names
            .iter()
            .flat_map(|one| names.iter().map(move |other| (*one, *other)))
        {
            let fits = |permission: &Permission| {
                (resource == "*" || permission.resource() == resource)
                    && (action == "*" || permission.action() == action)
            };
            let plain: Permissions = Permission::all().filter(fits).collect();
            assert_eq!(Permissions::named(resource, action), plain, "{resource}.{action}");
        }
    }

    #[test]
    fn internal_kinds_are_for_nobody() {
        for action in Action::ALL {
            assert!(!Permissions::ALL.contains_one(Permission::Kind(Kind::Token, action)));
        }
        assert!(held(&["Token.*"]).contains_one(Permission::TokenManage));
    }

    #[test]
    fn the_administrator_holds_whatever_can_be_named() {
        for permission in Permission::all() {
            assert!(Permissions::ALL.contains_one(permission), "{permission}");
            assert!(!Permissions::NONE.contains_one(permission), "{permission}");
            assert_eq!(
                Permissions::parse(&permission.to_string()),
                Ok([permission].into_iter().collect())
            );
        }
    }

    proptest! {
        #[test]
        fn printing_parses_back(bits in proptest::collection::vec(any::<bool>(), Permission::all().count()), wide in 0..4usize) {
            let mut set: Permissions = Permission::all().zip(&bits).filter(|(_, bit)| **bit).map(|(one, _)| one).collect();
            for text in ["*.read", "License.*", "Membership.*"].iter().take(wide) {
                set = set.union(Permissions::parse(text).unwrap());
            }
            let printed = set.print();
            prop_assert_eq!(Permissions::parse_all(printed.iter().map(String::as_str)), Ok(set));
        }
    }
}
