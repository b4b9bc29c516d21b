//! The generated world in tables, with integer keys and the indexes its three questions want. Both databases read the same
//! files, a table each, in the text form of PostgreSQL's COPY. The decision is less than ours: no models, no rules, no
//! hierarchy of items; only who may, what is valid, and whether a seat is free.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde_json::Value;

use crate::results;
use crate::world::World;

/// Both read it: the types are those of PostgreSQL, and SQLite takes any.
pub const TABLES: &[(&str, &str)] = &[
    (
        "organization",
        "key bigint PRIMARY KEY, id uuid NOT NULL, name text NOT NULL, type text",
    ),
    ("profile", "key bigint PRIMARY KEY, id uuid NOT NULL, name text"),
    (
        "profile_group",
        "key bigint PRIMARY KEY, id uuid NOT NULL, organization bigint NOT NULL, name text",
    ),
    (
        "membership",
        "profile bigint, profile_group bigint, PRIMARY KEY (profile, profile_group)",
    ),
    (
        "entitlement",
        "key bigint PRIMARY KEY, id uuid NOT NULL, organization bigint NOT NULL, name text",
    ),
    (
        "opens_group",
        "profile_group bigint, entitlement bigint, PRIMARY KEY (profile_group, entitlement)",
    ),
    (
        "opens_profile",
        "profile bigint, entitlement bigint, PRIMARY KEY (profile, entitlement)",
    ),
    (
        "item",
        "key bigint PRIMARY KEY, id uuid NOT NULL, name text NOT NULL UNIQUE",
    ),
    (
        "license",
        "key bigint PRIMARY KEY, id uuid NOT NULL, entitlement bigint NOT NULL, item bigint NOT NULL, model bigint, name text, \
         valid_from timestamptz, valid_until timestamptz, active boolean NOT NULL",
    ),
    (
        "credit",
        "key bigint PRIMARY KEY, id uuid NOT NULL, license bigint NOT NULL, seats integer, active boolean NOT NULL, valid_from timestamptz",
    ),
    (
        "assignment",
        "key bigint PRIMARY KEY, id uuid NOT NULL, profile bigint NOT NULL, license bigint NOT NULL, reservation text",
    ),
    (
        "lease",
        "id uuid PRIMARY KEY, license bigint NOT NULL, profile bigint NOT NULL, granted_until timestamptz NOT NULL",
    ),
];

/// Made after the rows are there.
pub const INDEXES: &[&str] = &[
    "CREATE UNIQUE INDEX organization_id ON organization (id)",
    "CREATE INDEX organization_name ON organization (name)",
    "CREATE UNIQUE INDEX profile_id ON profile (id)",
    "CREATE INDEX membership_group ON membership (profile_group, profile)",
    "CREATE INDEX entitlement_organization ON entitlement (organization)",
    "CREATE UNIQUE INDEX license_id ON license (id)",
    "CREATE INDEX license_entitlement ON license (entitlement, item)",
    "CREATE INDEX license_name ON license (name)",
    "CREATE INDEX license_until ON license (valid_until)",
    "CREATE INDEX credit_license ON credit (license)",
    "CREATE INDEX assignment_license ON assignment (license, reservation, profile)",
    "CREATE INDEX assignment_profile ON assignment (profile)",
    "CREATE INDEX lease_license ON lease (license, granted_until)",
];

/// The three reads, about what stands for `{profile}`, `{item}`, `{license}`, `{organization}`, at `{now}`.
pub const BY_ID: &str = "SELECT * FROM license WHERE id = {license}";
pub const LIST: &str = "SELECT c.* FROM organization o JOIN entitlement e ON e.organization = o.key JOIN license l ON l.entitlement = e.key \
     JOIN credit c ON c.license = l.key WHERE o.name = {organization} ORDER BY c.key LIMIT 20";
pub const CHECK: &str = "WITH p AS (SELECT key FROM profile WHERE id = {profile}), \
     e AS (SELECT o.entitlement FROM opens_profile o WHERE o.profile = (SELECT key FROM p) \
       UNION SELECT o.entitlement FROM membership m JOIN opens_group o ON o.profile_group = m.profile_group WHERE m.profile = (SELECT key FROM p)) \
     SELECT EXISTS (SELECT 1 FROM e JOIN license l ON l.entitlement = e.entitlement \
       WHERE l.item = (SELECT key FROM item WHERE name = {item}) AND l.active AND l.valid_from <= {now} AND (l.valid_until IS NULL OR l.valid_until > {now}) \
       AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.license = l.key AND a.reservation = 'denied' AND a.profile = (SELECT key FROM p)) \
       AND (SELECT coalesce(sum(c.seats), 0) FROM credit c WHERE c.license = l.key AND c.active AND c.valid_from <= {now}) \
         > (SELECT count(*) FROM assignment a WHERE a.license = l.key AND a.reservation = 'reserved' AND a.profile <> (SELECT key FROM p)) \
         + (SELECT count(*) FROM lease x WHERE x.license = l.key AND x.granted_until > {now}))";

/// What the databases kept between runs are made by: others are made anew.
pub fn stamp() -> String {
    let mut hasher = DefaultHasher::new();
    (TABLES, INDEXES).hash(&mut hasher);
    format!("{:08x}", hasher.finish() as u32)
}

/// A file of rows for each table.
pub struct Tables {
    pub folder: PathBuf,
}

impl Tables {
    pub fn ready(world: &World) -> Self {
        let folder = results::folder().join(format!("tables-{}", world.size));
        if !folder.exists() {
            let unfinished = folder.with_extension("making");
            fs::create_dir_all(&unfinished).expect("a folder for the tables");
            write(world, &unfinished);
            fs::rename(&unfinished, &folder).expect("the tables have their name");
        }
        Self { folder }
    }

    pub fn file(&self, table: &str) -> PathBuf {
        self.folder.join(format!("{table}.tsv"))
    }
}

fn write(world: &World, folder: &std::path::Path) {
    let mut files: Vec<(&str, BufWriter<File>)> = TABLES
        .iter()
        .map(|(table, _)| {
            let file = File::create(folder.join(format!("{table}.tsv"))).expect("a file for the table");
            (*table, BufWriter::with_capacity(1 << 18, file))
        })
        .collect();
    for line in world.lines() {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if let Some((table, columns)) = row(&line) {
            let (_, file) = files.iter_mut().find(|(name, _)| *name == table).expect("a table");
            writeln!(file, "{}", columns.join("\t")).expect("a row");
        }
    }
}

/// Ids of the generated world begin with their number.
fn key(id: &str) -> String {
    let digits: String = id.chars().filter(|letter| *letter != '-').take(12).collect();
    u64::from_str_radix(&digits, 16).expect("an id").to_string()
}

/// What a line of the import is in the tables, if it is anything.
fn row(line: &Value) -> Option<(&'static str, Vec<String>)> {
    let text = |name: &str| match &line[name] {
        Value::String(text) => text.clone(),
        Value::Null => "\\N".to_owned(),
        other => other.to_string(),
    };
    let end = |kind: &str| {
        let id = line["referenceFields"][format!("ref_{kind}_id")].as_str();
        id.map_or("\\N".to_owned(), key)
    };
    let own = |columns: Vec<String>| {
        let id = text("id");
        let mut all = vec![key(&id), id];
        all.extend(columns);
        all
    };
    let relation = |table, columns| Some((table, columns));
    match line["__objType"].as_str()? {
        "Organization" => Some(("organization", own(vec![text("name"), text("type")]))),
        "Profile" => Some(("profile", own(vec![text("displayName")]))),
        "ProfileGroup" => Some(("profile_group", own(vec![end("Organization"), text("name")]))),
        "Entitlement" => Some(("entitlement", own(vec![end("Organization"), text("name")]))),
        "LicensedItem" => Some(("item", own(vec![text("name")]))),
        "License" => Some((
            "license",
            own(vec![
                end("Entitlement"),
                end("LicensedItem"),
                end("LicenseModel"),
                text("name"),
                text("validFrom"),
                text("validUntil"),
                text("active"),
            ]),
        )),
        "SeatCountCredit" => Some((
            "credit",
            own(vec![
                end("License"),
                text("seatCount"),
                text("active"),
                text("validFrom"),
            ]),
        )),
        "Assignment" => Some((
            "assignment",
            own(vec![end("Profile"), end("License"), text("reservationType")]),
        )),
        "Membership" => relation("membership", vec![end("Profile"), end("ProfileGroup")]),
        "LicenseConsumerRelation" if end("Profile") == "\\N" => {
            relation("opens_group", vec![end("ProfileGroup"), end("Entitlement")])
        }
        "LicenseConsumerRelation" => relation("opens_profile", vec![end("Profile"), end("Entitlement")]),
        _ => None,
    }
}
