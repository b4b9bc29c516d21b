//! Every object type, its fields and its relations, as data in one place. Selectors, JSON, OpenAPI, storage and
//! `GET /graph-schema` all read these tables; nothing else knows a type by name.
//!
//! Sources: `graph-api.md` section 4 and `licensing.md` 2.3. What those leave open is this project's own reading.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::{Direction, Rel, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Bool,
    /// A 64-bit signed integer.
    Int,
    Time,
    Uuid,
    /// A JSON value, kept as its text.
    Json,
}

impl FieldType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Time => "dateTime",
            Self::Uuid => "uuid",
            Self::Json => "json",
        }
    }

    /// Is it a value of a field of this type?
    pub fn takes(self, value: &Value) -> bool {
        match value {
            Value::Text(_) => matches!(self, Self::Text | Self::Json),
            Value::Bool(_) => self == Self::Bool,
            Value::Int(_) => self == Self::Int,
            Value::Time(_) => self == Self::Time,
            Value::Uuid(_) => self == Self::Uuid,
        }
    }
}

/// A field as the schema declares it.
#[derive(Clone, Copy, Debug)]
pub struct FieldDef {
    pub name: &'static str,
    pub field_type: FieldType,
    /// No two entities of the kind have the same value (folded where `folded`).
    pub unique: bool,
    /// Found, sorted and ranged through an index. Every unique field is.
    pub indexed: bool,
    /// Equality, uniqueness and order fold case.
    pub folded: bool,
    /// Never shown, never selectable, never in an audit.
    pub secret: bool,
    /// Written by the server alone.
    pub server_owned: bool,
    pub required: bool,
    /// A boolean that is true unless the creator says otherwise.
    pub default_true: bool,
    /// The only texts allowed; empty: any. `""` always clears an enumerated field.
    pub values: &'static [&'static str],
    /// The smallest integer allowed.
    pub minimum: Option<i64>,
    /// What its name does not say; empty: nothing.
    pub note: &'static str,
}

const fn field(name: &'static str, field_type: FieldType) -> FieldDef {
    FieldDef {
        name,
        field_type,
        unique: false,
        indexed: false,
        folded: false,
        secret: false,
        server_owned: false,
        required: false,
        default_true: false,
        values: &[],
        minimum: None,
        note: "",
    }
}
const fn text(name: &'static str) -> FieldDef {
    field(name, FieldType::Text)
}
const fn flag(name: &'static str) -> FieldDef {
    field(name, FieldType::Bool)
}
/// An integer that cannot be negative: a count, or a length of time in milliseconds.
const fn count(name: &'static str) -> FieldDef {
    FieldDef {
        minimum: Some(0),
        ..field(name, FieldType::Int)
    }
}
const fn time(name: &'static str) -> FieldDef {
    field(name, FieldType::Time)
}
const fn uuid(name: &'static str) -> FieldDef {
    field(name, FieldType::Uuid)
}
const fn json(name: &'static str) -> FieldDef {
    field(name, FieldType::Json)
}

impl FieldDef {
    const fn unique(self) -> Self {
        Self {
            unique: true,
            indexed: true,
            ..self
        }
    }
    const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }
    const fn folded(self) -> Self {
        Self { folded: true, ..self }
    }
    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
    const fn server_owned(self) -> Self {
        Self {
            server_owned: true,
            ..self
        }
    }
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }
    const fn default_true(self) -> Self {
        Self {
            default_true: true,
            ..self
        }
    }
    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
    const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }
}

/// A kind as the schema declares it.
#[derive(Clone, Copy, Debug)]
pub struct KindDef {
    pub name: &'static str,
    /// What comes before the name in a class name on the wire.
    pub package: &'static str,
    pub fields: &'static [FieldDef],
    /// The field whose value no two children of one owner share (`Property.key`).
    pub unique_within_owner: Option<&'static str>,
    /// Never selectable, exported or shown: tokens and signing keys.
    pub internal: bool,
}

const IDENTITY: &str = "com.tenduke.sdk2.objectmodel.identity";
const SECURITY: &str = "com.tenduke.sdk2.objectmodel.security";
/// The vendor's own name of this package is not public; this one is ours.
const ENTITLEMENT: &str = "com.tenduke.sdk2.objectmodel.entitlement";

macro_rules! kinds {
    ($($kind:ident $package:ident [$($field:expr),* $(,)?] $(within $within:literal)? $(internal $internal:literal)?;)*) => {
        /// The type of an entity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $($kind),* }

        static KINDS: &[KindDef] = &[$(KindDef {
            name: stringify!($kind),
            package: $package,
            fields: &[$($field),*],
            unique_within_owner: { #[allow(unused_mut, unused_assignments)] let mut within = None; $(within = Some($within);)? within },
            internal: { #[allow(unused_mut, unused_assignments)] let mut internal = false; $(internal = $internal;)? internal },
        }),*];

        impl Kind {
            /// In the order of the schema.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];
        }
    };
}

const ALIAS: FieldDef = text("alias").unique();
const ADDRESS: [FieldDef; 6] = [
    text("streetAddress"),
    text("postalCode"),
    text("city"),
    text("region"),
    text("countryCode"),
    text("type"),
];

const SEATS_CONSUMED: &str =
    "Left empty: seats are taken of a license, and not of one of its credits. available-licenses tells how many.";

kinds! {
    // Identity.
    Organization IDENTITY [text("name").indexed().required(), text("type").indexed(), text("description"), ALIAS];
    ProfileGroup IDENTITY [text("name").indexed().required(), text("type").indexed(), text("description"), ALIAS];
    Profile IDENTITY [text("displayName").indexed(), text("description"), time("validFrom"), time("validUntil"), ALIAS];
    Person IDENTITY [text("firstName").indexed(), text("lastName").indexed()];
    EmailAndPassword IDENTITY [
        text("userName").unique().folded().required(), text("passwordPlain").secret(), text("passwordHash").secret().server_owned(),
    ];
    ContactInformation IDENTITY [text("type")];
    EmailAddress IDENTITY [text("value").indexed().folded().required(), text("type")];
    PostalAddress IDENTITY [ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3], ADDRESS[4], ADDRESS[5]];
    TelephoneNumber IDENTITY [text("value").required(), text("type")];
    WebAddress IDENTITY [text("value").required(), text("type")];
    OrganizationContactInformation IDENTITY [text("type")];
    OrganizationEmailAddress IDENTITY [text("value").indexed().folded().required(), text("type")];
    OrganizationPostalAddress IDENTITY [ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3], ADDRESS[4], ADDRESS[5]];
    OrganizationTelephoneNumber IDENTITY [text("value").required(), text("type")];
    OrganizationWebAddress IDENTITY [text("value").required(), text("type")];
    RecoveryEmailAddress IDENTITY [text("value").indexed().folded().required()];
    Account IDENTITY [text("accountType")];
    Property IDENTITY [text("key").required(), text("value")] within "key";
    TechnicalActor IDENTITY [text("name").indexed().required(), text("description")];
    // Security.
    OrganizationRole SECURITY [text("name").indexed().required(), text("description"), flag("isBuiltIn"), text("templateFor").indexed()];
    ConsumerPermission SECURITY [text("name").required(), text("actions")] within "name";
    // Entitlement.
    Entitlement ENTITLEMENT [text("name").indexed(), text("description"), flag("isDefault")];
    License ENTITLEMENT [
        text("name").indexed(), time("validFrom"), time("validUntil").indexed(), flag("active").default_true(),
        text("lockScope").one_of(&["None", "LicensedItem", "ProductPackage"]), ALIAS, text("type").indexed(), flag("individual"),
        text("matchProperty"), json("matchValues"), count("concurrencies"), flag("session").server_owned(),
    ];
    LicensedItem ENTITLEMENT [
        text("name").unique().required(), text("displayName"), text("description"), ALIAS, json("displayNames"),
    ];
    ProductPackage ENTITLEMENT [
        text("title").indexed().required(), text("description"), text("type").one_of(&["default", "mono", "bundle", "custom"]),
        flag("active").default_true(), time("validFrom"), time("validUntil"), ALIAS, count("concurrencies"),
    ];
    Assignment ENTITLEMENT [
        text("reservationType").one_of(&["reserved", "denied"]), time("validFrom"), time("validUntil"), flag("grantsAccess"), flag("bought").server_owned(),
        flag("active").server_owned(), flag("direct").server_owned(), flag("fulfilled"), text("redirectTo"), json("metadata"),
    ];
    Consumption ENTITLEMENT [
        uuid("leaseId").unique().server_owned(), text("consumptionMode").server_owned(), text("consumedVersion").server_owned(),
        time("grantedAt").server_owned(), time("grantedUntil").indexed().server_owned(), time("releasedAt").server_owned(),
        uuid("licensedItemId").server_owned(), text("hw").server_owned(), text("hwName").server_owned(),
        text("process").server_owned(), text("processName").server_owned(), count("consumedCount").server_owned(),
        flag("overUse").server_owned(), count("overUseCount").server_owned(),
    ];
    SeatCountCredit ENTITLEMENT [
        count("seatCount"), count("seatsConsumed").server_owned().note(SEATS_CONSUMED), time("validFrom"), time("validUntil"), flag("active").default_true(),
        uuid("licenseTransactionItemId").server_owned(),
    ];
    UseTimeCredit ENTITLEMENT [
        count("useTime"), count("useTimeConsumed").server_owned(), time("validFrom"), time("validUntil"), flag("active").default_true(),
    ];
    UseCountCredit ENTITLEMENT [
        count("useCount"), count("useCountConsumed").server_owned(), time("validFrom"), time("validUntil"), flag("active").default_true(),
        uuid("licenseTransactionItemId").server_owned(),
    ];
    LicenseScope ENTITLEMENT [text("type").indexed(), text("value").indexed()];
    LicenseMetadata ENTITLEMENT [text("key").indexed().required(), text("value")] within "key";
    // License models and their rules; a rule is at most once on a model.
    LicenseModel ENTITLEMENT [text("name").unique().required(), text("description")];
    LeaseTimeBehavior ENTITLEMENT [
        count("leaseTimeCheckOut"), count("refreshTimeCheckOut"), count("leaseTimeCache"), count("refreshTimeCache"),
        text("incrementModel").one_of(&["relative"]), count("cooldownTime"), flag("allowLeaseExtension"), flag("allowLeaseRelease"),
    ];
    SeatCountConstraint ENTITLEMENT [count("seatsPerUser")];
    UseCountConstraint ENTITLEMENT [
        text("trackingMode").one_of(&["TRACK_BY_LICENSE_SESSIONS_OPENED", "TRACK_BY_CLIENT_DECLARATION"]),
    ];
    AggregateUseConstraint ENTITLEMENT [];
    ConcurrentSessions ENTITLEMENT [json("sessionAnchors")];
    AssignedLicenseConstraint ENTITLEMENT [flag("autoAssign"), count("maxAssignments"), flag("allowRelease").default_true()];
    VersionConstraint ENTITLEMENT [text("minVersion"), text("maxVersion"), text("pattern")];
    ConsumptionLockConstraint ENTITLEMENT [];
    ScopedLicenseConstraint ENTITLEMENT [text("scopeType")];
    UtilizationConstraint ENTITLEMENT [count("maxOverusePercent"), count("maxOveruseCount")];
    LicensedItemCountBehavior ENTITLEMENT [count("defaultCount")];
    LicensePoolBehavior ENTITLEMENT [flag("pool")];
    ValidityPeriodConstraint ENTITLEMENT [count("maxValidity")];
    // Allocations (`doors.md` A.7 and E): a rule lets the members of a group take licenses of an item, each when first used, and at most
    // `quota` of them; a record says that an organization gives a user its licenses one by one, and so none by rules.
    AllocationRule ENTITLEMENT [count("quota"), flag("external")];
    DirectRecord ENTITLEMENT [flag("external")];
    // Licenses that are sold and assigned one by one (`doors.md` B.6 and E): to each member of a group at once, which a rule, leased from
    // whatever license has a seat when it is used, does not say; and what each change of such a license left it at, for the record.
    GroupAssignment ENTITLEMENT [flag("active"), flag("fulfilled"), text("redirectTo"), json("metadata")];
    LicenseHistory ENTITLEMENT [
        text("changeType").server_owned(), text("transactionId").indexed().server_owned(), text("source").server_owned(),
        text("name").server_owned(), count("seatCount").server_owned(), time("validFrom").server_owned(),
        time("validUntil").server_owned(), flag("active").server_owned(),
    ];
    // What is sold one by one (`doors.md` C.3, C.4 and E): a license that is `individual` is for those it is assigned to, or for the
    // members of a set, whom nobody lists: they have all of one list of tags, any of another and none of a third.
    UserSet ENTITLEMENT [text("name").indexed().required(), json("allOf"), json("anyOf"), json("noneOf")];
    // Bearer tokens: kept in the graph so that they are committed, replayed and audited like everything else.
    Token SECURITY [
        text("name"), text("secretHash").secret().server_owned(), json("permissions").server_owned(),
        uuid("profileId").indexed().server_owned(), uuid("organizationId").indexed().server_owned(), time("expiresAt").indexed().server_owned(),
    ] internal true;
    // Keys that sign, for the same reason. Which algorithm, the public half, the private one until the key is retired, and until
    // when what it signed is still verified.
    SigningKey SECURITY [
        text("alg").server_owned(), text("publicKey").server_owned(), text("privateKey").secret().server_owned(),
        time("retiredAt").server_owned(), time("endsAt").server_owned(),
    ] internal true;
    // Which device used which trial (`licensing.md` 2.3): it outlives the lease, and the license too.
    ConsumptionLock ENTITLEMENT [
        text("hw").indexed().server_owned(), uuid("licenseId").server_owned(), uuid("licensedItemId").server_owned(),
    ] internal true;
    // Whose events are told of an organization that is no more (`licensing.md` 5.2).
    RemovedOrganization IDENTITY [
        uuid("organizationId").indexed().server_owned(), count("organizationSerial").indexed().server_owned(),
    ] internal true;
    // Its serial is the last that an import said it would bring (`running.md`).
    ReservedSerial IDENTITY [] internal true;
}

impl Kind {
    pub fn def(self) -> &'static KindDef {
        &KINDS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// `com.tenduke.sdk2.objectmodel.identity.Organization`
    pub fn class_name(self) -> String {
        format!("{}.{}", self.def().package, self.name())
    }

    /// By its short name, exactly. Internal kinds are found too: callers at the edges ask for `public` ones.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.get(name).copied()
    }

    /// Kinds a client may name.
    pub fn public() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| !kind.def().internal)
    }

    /// A field of its own, by name.
    pub fn field(self, name: &str) -> Option<u8> {
        self.def()
            .fields
            .iter()
            .position(|field| field.name == name)
            .map(|index| index as u8)
    }

    /// The relations in which this kind is the child of a one-to-many, in the schema's order.
    pub fn parents(self) -> &'static [Rel] {
        &PARENTS[self as usize]
    }

    /// Those of `parents` that own it: a kind with any has exactly one owner.
    pub fn owners(self) -> impl Iterator<Item = Rel> {
        self.parents()
            .iter()
            .copied()
            .filter(|rel| rel.def().role == Role::Owner)
    }

    /// Everything it has relations by: each relation with the direction that leads away from it.
    pub fn hops(self) -> &'static [Hop] {
        &HOPS[self as usize]
    }

    /// What a name after `@` means on this kind: a common field, an own one, or `ref_Parent_id`.
    pub fn resolve(self, name: &str) -> Option<Field> {
        match name {
            "id" => Some(Field::Id),
            "serial" => Some(Field::Serial),
            "created" => Some(Field::Created),
            "updated" => Some(Field::Updated),
            _ => self.field(name).map(Field::Own).or_else(|| {
                self.parents()
                    .iter()
                    .copied()
                    .find(|rel| rel.def().reference_name() == name)
                    .map(Field::Parent)
            }),
        }
    }

    /// The names `resolve` knows and a client may select by, for messages.
    pub fn field_names(self) -> Vec<String> {
        ["id", "serial", "created", "updated"]
            .into_iter()
            .map(str::to_owned)
            .chain(
                self.def()
                    .fields
                    .iter()
                    .filter(|field| !field.secret)
                    .map(|field| field.name.to_owned()),
            )
            .chain(self.parents().iter().map(|rel| rel.def().reference_name()))
            .collect()
    }
}

/// Something of an entity a selector can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Id,
    Serial,
    Created,
    Updated,
    /// A field of the kind itself, by its place in `KindDef::fields`.
    Own(u8),
    /// The id of the parent by that one-to-many: `ref_Organization_id`.
    Parent(Rel),
}

impl Field {
    pub fn field_type(self, kind: Kind) -> FieldType {
        match self {
            Self::Id | Self::Parent(_) => FieldType::Uuid,
            Self::Serial => FieldType::Int,
            Self::Created | Self::Updated => FieldType::Time,
            Self::Own(index) => kind.def().fields[index as usize].field_type,
        }
    }

    pub fn name(self, kind: Kind) -> String {
        match self {
            Self::Id => "id".to_owned(),
            Self::Serial => "serial".to_owned(),
            Self::Created => "created".to_owned(),
            Self::Updated => "updated".to_owned(),
            Self::Own(index) => kind.def().fields[index as usize].name.to_owned(),
            Self::Parent(rel) => rel.def().reference_name(),
        }
    }
}

/// The name of a relation in a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationType {
    /// Walked the other way it is called `ManyToOne`.
    OneToMany,
    ManyToMany,
    Membership,
    LicenseConsumerRelation,
    Includes,
    Implies,
    Partnership,
}

impl RelationType {
    pub const NAMED: &'static [RelationType] = &[
        Self::Membership,
        Self::LicenseConsumerRelation,
        Self::Includes,
        Self::Implies,
        Self::Partnership,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::OneToMany => "OneToMany",
            Self::ManyToMany => "ManyToMany",
            Self::Membership => "Membership",
            Self::LicenseConsumerRelation => "LicenseConsumerRelation",
            Self::Includes => "Includes",
            Self::Implies => "Implies",
            Self::Partnership => "Partnership",
        }
    }

    /// One that has a class name of its own on the wire, and may carry fields and conditions.
    pub fn is_named(self) -> bool {
        !matches!(self, Self::OneToMany | Self::ManyToMany)
    }

    /// `com.tenduke.sdk2.types.object.graph.Implies`
    pub fn class_name(self) -> String {
        format!("com.tenduke.sdk2.types.object.graph.{}", self.name())
    }
}

/// What a one-to-many means to the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The child has exactly one owner, counted over all its owning relations, and goes with it.
    Owner,
    /// The child has exactly one of these, and goes with it.
    Required,
    /// The child may have one, and stays when it goes.
    Optional,
    /// The child may have one, and goes with it (a license and its model).
    OptionalCascade,
}

#[derive(Clone, Copy, Debug)]
pub struct RelationDef {
    pub relation_type: RelationType,
    pub from: Kind,
    pub to: Kind,
    pub role: Role,
    /// The parent has at most one child by this relation.
    pub single: bool,
    /// The parent goes when its last child by this relation goes (a person with no profile left).
    pub last_child_takes_parent: bool,
    pub fields: &'static [FieldDef],
}

impl RelationDef {
    /// `ref_Organization_id`: the foreign key a child carries.
    pub fn reference_name(&self) -> String {
        format!("ref_{}_id", self.from.name())
    }

    /// The names of a relation object's foreign keys, from and to. A self-relation numbers its ends.
    pub fn end_names(&self) -> (String, String) {
        if self.from == self.to {
            (
                format!("ref_{}_id1", self.from.name()),
                format!("ref_{}_id2", self.to.name()),
            )
        } else {
            (
                format!("ref_{}_id", self.from.name()),
                format!("ref_{}_id", self.to.name()),
            )
        }
    }

    pub fn cascades(&self) -> bool {
        self.relation_type == RelationType::OneToMany && self.role != Role::Optional
    }

    pub fn field(&self, name: &str) -> Option<u8> {
        self.fields
            .iter()
            .position(|field| field.name == name)
            .map(|index| index as u8)
    }

    /// A name that stays when the table is reordered: `OneToMany:Organization:License`. Storage keeps it.
    pub fn stable_name(&self) -> String {
        format!("{}:{}:{}", self.relation_type.name(), self.from.name(), self.to.name())
    }
}

/// A step along a relation: which, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub rel: Rel,
    pub direction: Direction,
}

impl Hop {
    pub const fn forward(rel: Rel) -> Self {
        Self {
            rel,
            direction: Direction::Forward,
        }
    }

    pub const fn backward(rel: Rel) -> Self {
        Self {
            rel,
            direction: Direction::Backward,
        }
    }

    /// The kind it leads to.
    pub fn to(self) -> Kind {
        match self.direction {
            Direction::Forward => self.rel.def().to,
            Direction::Backward => self.rel.def().from,
        }
    }

    /// The word after `~` in a selector: `OneToMany`, `ManyToOne`, `Membership`…
    pub fn word(self) -> &'static str {
        match (self.rel.def().relation_type, self.direction) {
            (RelationType::OneToMany, Direction::Backward) => "ManyToOne",
            (relation_type, _) => relation_type.name(),
        }
    }
}

const fn relation(relation_type: RelationType, from: Kind, to: Kind, fields: &'static [FieldDef]) -> RelationDef {
    RelationDef {
        relation_type,
        from,
        to,
        role: Role::Optional,
        single: false,
        last_child_takes_parent: false,
        fields,
    }
}
const fn one_to_many(from: Kind, to: Kind, role: Role) -> RelationDef {
    RelationDef {
        role,
        ..relation(RelationType::OneToMany, from, to, &[])
    }
}
const fn owns(from: Kind, to: Kind) -> RelationDef {
    one_to_many(from, to, Role::Owner)
}
const fn owns_one(from: Kind, to: Kind) -> RelationDef {
    RelationDef {
        single: true,
        ..owns(from, to)
    }
}

const VALIDITY: &[FieldDef] = &[time("validFrom"), time("validUntil")];

/// Every relation, once; the reverse side is the same row walked backward.
pub static RELATIONS: &[RelationDef] = &[
    owns(Kind::Organization, Kind::ProfileGroup),
    one_to_many(Kind::Organization, Kind::OrganizationRole, Role::OptionalCascade),
    owns(Kind::Organization, Kind::Entitlement),
    owns(Kind::Organization, Kind::OrganizationContactInformation),
    owns(Kind::Organization, Kind::Property),
    one_to_many(Kind::Organization, Kind::TechnicalActor, Role::OptionalCascade),
    owns(Kind::ProfileGroup, Kind::Property),
    owns_one(Kind::Profile, Kind::Entitlement),
    owns(Kind::Profile, Kind::ContactInformation),
    owns(Kind::Profile, Kind::RecoveryEmailAddress),
    owns(Kind::Profile, Kind::Account),
    owns(Kind::Profile, Kind::Property),
    one_to_many(Kind::Profile, Kind::Assignment, Role::Required),
    RelationDef {
        last_child_takes_parent: true,
        ..one_to_many(Kind::Person, Kind::Profile, Role::Optional)
    },
    owns(Kind::Person, Kind::EmailAndPassword),
    owns(Kind::ContactInformation, Kind::EmailAddress),
    owns(Kind::ContactInformation, Kind::PostalAddress),
    owns(Kind::ContactInformation, Kind::TelephoneNumber),
    owns(Kind::ContactInformation, Kind::WebAddress),
    owns(Kind::OrganizationContactInformation, Kind::OrganizationEmailAddress),
    owns(Kind::OrganizationContactInformation, Kind::OrganizationPostalAddress),
    owns(Kind::OrganizationContactInformation, Kind::OrganizationTelephoneNumber),
    owns(Kind::OrganizationContactInformation, Kind::OrganizationWebAddress),
    owns(Kind::OrganizationRole, Kind::ConsumerPermission),
    owns(Kind::Entitlement, Kind::License),
    one_to_many(Kind::LicensedItem, Kind::License, Role::Required),
    owns(Kind::LicensedItem, Kind::Property),
    owns(Kind::ProfileGroup, Kind::AllocationRule),
    one_to_many(Kind::LicensedItem, Kind::AllocationRule, Role::Required),
    owns(Kind::Organization, Kind::DirectRecord),
    one_to_many(Kind::Profile, Kind::DirectRecord, Role::Required),
    one_to_many(Kind::AllocationRule, Kind::Assignment, Role::Optional),
    // Without what it allocates it would only keep its user from what rules give.
    RelationDef {
        last_child_takes_parent: true,
        ..one_to_many(Kind::DirectRecord, Kind::Assignment, Role::Optional)
    },
    owns(Kind::License, Kind::GroupAssignment),
    one_to_many(Kind::ProfileGroup, Kind::GroupAssignment, Role::Required),
    one_to_many(Kind::GroupAssignment, Kind::Assignment, Role::Optional),
    owns(Kind::License, Kind::LicenseHistory),
    owns(Kind::Organization, Kind::UserSet),
    one_to_many(Kind::UserSet, Kind::License, Role::OptionalCascade),
    one_to_many(Kind::ProductPackage, Kind::License, Role::Optional),
    one_to_many(Kind::LicenseModel, Kind::License, Role::OptionalCascade),
    one_to_many(Kind::LicenseModel, Kind::ProductPackage, Role::Optional),
    owns(Kind::ProductPackage, Kind::Property),
    one_to_many(Kind::License, Kind::Assignment, Role::Required),
    owns(Kind::License, Kind::LicenseMetadata),
    owns(Kind::License, Kind::LicenseScope),
    owns(Kind::License, Kind::SeatCountCredit),
    owns(Kind::License, Kind::UseTimeCredit),
    owns(Kind::License, Kind::UseCountCredit),
    owns(Kind::Assignment, Kind::Consumption),
    owns_one(Kind::LicenseModel, Kind::LeaseTimeBehavior),
    owns_one(Kind::LicenseModel, Kind::SeatCountConstraint),
    owns_one(Kind::LicenseModel, Kind::UseCountConstraint),
    owns_one(Kind::LicenseModel, Kind::AggregateUseConstraint),
    owns_one(Kind::LicenseModel, Kind::ConcurrentSessions),
    owns_one(Kind::LicenseModel, Kind::AssignedLicenseConstraint),
    owns_one(Kind::LicenseModel, Kind::VersionConstraint),
    owns_one(Kind::LicenseModel, Kind::ConsumptionLockConstraint),
    owns_one(Kind::LicenseModel, Kind::ScopedLicenseConstraint),
    owns_one(Kind::LicenseModel, Kind::UtilizationConstraint),
    owns_one(Kind::LicenseModel, Kind::LicensedItemCountBehavior),
    owns_one(Kind::LicenseModel, Kind::LicensePoolBehavior),
    owns_one(Kind::LicenseModel, Kind::ValidityPeriodConstraint),
    relation(RelationType::ManyToMany, Kind::ProductPackage, Kind::LicensedItem, &[]),
    relation(RelationType::ManyToMany, Kind::Profile, Kind::OrganizationRole, &[]),
    relation(RelationType::Membership, Kind::Profile, Kind::ProfileGroup, VALIDITY),
    relation(
        RelationType::LicenseConsumerRelation,
        Kind::Entitlement,
        Kind::ProfileGroup,
        &[],
    ),
    relation(
        RelationType::LicenseConsumerRelation,
        Kind::Entitlement,
        Kind::Profile,
        &[],
    ),
    relation(RelationType::Includes, Kind::LicensedItem, Kind::LicensedItem, &[]),
    relation(
        RelationType::Implies,
        Kind::OrganizationRole,
        Kind::OrganizationRole,
        &[],
    ),
    relation(RelationType::Partnership, Kind::Organization, Kind::Organization, &[]),
];

static NAMES: LazyLock<HashMap<&'static str, Kind, RandomState>> =
    LazyLock::new(|| Kind::ALL.iter().map(|kind| (kind.name(), *kind)).collect());

static PARENTS: LazyLock<Vec<Vec<Rel>>> = LazyLock::new(|| {
    let parents = |kind: Kind| {
        relations()
            .filter(|rel| rel.def().relation_type == RelationType::OneToMany && rel.def().to == kind)
            .collect()
    };
    Kind::ALL.iter().map(|kind| parents(*kind)).collect()
});

static HOPS: LazyLock<Vec<Vec<Hop>>> = LazyLock::new(|| {
    let hops = |kind: Kind| {
        let forward = relations().filter(move |rel| rel.def().from == kind);
        // A self-relation is walked from its first end to its second only: nothing in a selector says which way.
        let backward = relations().filter(move |rel| rel.def().to == kind && rel.def().from != kind);
        forward.map(Hop::forward).chain(backward.map(Hop::backward)).collect()
    };
    Kind::ALL.iter().map(|kind| hops(*kind)).collect()
});

pub fn relations() -> impl Iterator<Item = Rel> {
    (0..RELATIONS.len()).map(|index| Rel(index as u8))
}

/// The step a selector means by `~word` between two kinds.
pub fn hop(from: Kind, word: &str, to: Kind) -> Option<Hop> {
    from.hops()
        .iter()
        .copied()
        .find(|hop| hop.to() == to && hop.word() == word)
}

/// A relation by its type and ends, as written in an import or asked for by a rule.
pub fn find_relation(relation_type: RelationType, from: Kind, to: Kind) -> Option<Rel> {
    relations().find(|rel| {
        let def = rel.def();
        def.relation_type == relation_type && def.from == from && def.to == to
    })
}

/// A relation that rules know by its ends, found while compiling: a missing one does not build.
pub const fn known(relation_type: RelationType, from: Kind, to: Kind) -> Rel {
    let mut index = 0;
    while index < RELATIONS.len() {
        let def = &RELATIONS[index];
        if def.relation_type as u8 == relation_type as u8 && def.from as u8 == from as u8 && def.to as u8 == to as u8 {
            return Rel(index as u8);
        }
        index += 1;
    }
    panic!("the schema has no such relation")
}

/// The place of a field that rules know by its name, found while compiling: a missing one does not build.
pub const fn place(kind: Kind, name: &str) -> u8 {
    let fields = KINDS[kind as usize].fields;
    let mut index = 0;
    while index < fields.len() {
        if is_same(fields[index].name, name) {
            return index as u8;
        }
        index += 1;
    }
    panic!("the schema has no such field")
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_their_masks() {
        let mut kinds = HashSet::new();
        for kind in Kind::ALL {
            assert!(kinds.insert(kind.name()), "{} twice", kind.name());
            assert!(kind.def().fields.len() <= super::super::Fields::MAX);
            let mut fields = HashSet::from(["id", "serial", "created", "updated"]);
            for field in kind.def().fields {
                assert!(fields.insert(field.name), "{}.{} twice", kind.name(), field.name);
                assert!(
                    !field.unique || field.indexed,
                    "{}.{} is unique without an index",
                    kind.name(),
                    field.name
                );
            }
        }
        let mut relations = HashSet::new();
        for relation in RELATIONS {
            assert!(
                relations.insert(relation.stable_name()),
                "{} twice",
                relation.stable_name()
            );
        }
        assert!(RELATIONS.len() <= u8::MAX as usize);
    }

    #[test]
    fn hops_are_found_by_their_word() {
        for (from, word, to, expected) in [
            (Kind::Organization, "OneToMany", Kind::Entitlement, true),
            (Kind::Entitlement, "ManyToOne", Kind::Organization, true),
            (Kind::Entitlement, "OneToMany", Kind::Organization, false),
            (Kind::ProfileGroup, "Membership", Kind::Profile, true),
            (Kind::Profile, "Membership", Kind::ProfileGroup, true),
            (Kind::LicensedItem, "ManyToMany", Kind::ProductPackage, true),
            (Kind::LicensedItem, "Includes", Kind::LicensedItem, true),
            (Kind::Profile, "ManyToOne", Kind::Person, true),
            (Kind::Profile, "Membership", Kind::License, false),
        ] {
            assert_eq!(hop(from, word, to).is_some(), expected, "{from:?} ~{word} {to:?}");
        }
    }

    #[test]
    fn a_reference_is_a_field() {
        assert!(matches!(
            Kind::Entitlement.resolve("ref_Organization_id"),
            Some(Field::Parent(_))
        ));
        assert!(matches!(Kind::Entitlement.resolve("serial"), Some(Field::Serial)));
        assert!(matches!(Kind::Entitlement.resolve("isDefault"), Some(Field::Own(2))));
        assert_eq!(Kind::Entitlement.resolve("nonsense"), None);
    }
}
