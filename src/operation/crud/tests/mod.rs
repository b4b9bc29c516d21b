//! Bodies in a shorthand against a small world: `T` is the type, `#name` an id, `refs` the references, `~Membership` a
//! list of related objects, `rel` what stands on the relation. Quotes are single.

mod merge;
mod random;
mod reach;
mod refuse;
mod seats;
mod steps;

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::*;
use crate::graph::{Graph, Kept};
use crate::http::wire;
use crate::limits::Limits;
use crate::model::{Clock, Fields, Principal, Time, Value, rel};

pub(super) const NOW: Time = Time(1_700_000_000_000);

/// Two organizations: `#acme` with the group `#crew` (`#ann`, `#bob`, `#mix`), its license `#lic` of two seats in `#ent`,
/// which `#crew` may use, and `#zoo` with the group `#pack` (`#zed`, `#mix`) and the license `#zlic` in `#zent`.
const WORLD: &str = "[
    {'T':'LicensedItem','id':'#app','name':'app'},
    {'T':'LicenseModel','id':'#model','name':'floating','~OneToMany':[{'T':'SeatCountConstraint','id':'#rule'}]},
    {'T':'ProductPackage','id':'#pack1','title':'all','~ManyToMany':[{'T':'LicensedItem','id':'#app'}]},
    {'T':'OrganizationRole','id':'#template','name':'user','templateFor':'Organization'},
    {'T':'Organization','id':'#acme','name':'Acme','type':'company','alias':'acme','~OneToMany':[
        {'T':'ProfileGroup','id':'#crew','name':'Crew','type':'employees'},
        {'T':'ProfileGroup','id':'#guests','name':'Guests'},
        {'T':'OrganizationRole','id':'#role','name':'user'},
        {'T':'Entitlement','id':'#ent2','name':'spare'},
        {'T':'Entitlement','id':'#ent','name':'main','~LicenseConsumerRelation':[{'T':'ProfileGroup','id':'#crew'}],'~OneToMany':[
            {'T':'License','id':'#lic','name':'app','refs':{'LicensedItem':'#app'},'~OneToMany':[
                {'T':'SeatCountCredit','id':'#credit','seatCount':2}]}]}]},
    {'T':'Organization','id':'#zoo','name':'Zoo','~OneToMany':[
        {'T':'ProfileGroup','id':'#pack','name':'Pack'},
        {'T':'OrganizationRole','id':'#zrole','name':'user'},
        {'T':'Entitlement','id':'#zent','name':'main','~OneToMany':[
            {'T':'License','id':'#zlic','refs':{'LicensedItem':'#app'},'~OneToMany':[
                {'T':'SeatCountCredit','id':'#zcredit','seatCount':5}]}]}]},
    {'T':'Person','id':'#mann','firstName':'Ann','~OneToMany':[{'T':'EmailAndPassword','id':'#login','userName':'ann@acme.test'}]},
    {'T':'Profile','id':'#ann','displayName':'Ann','refs':{'Person':'#mann'},'~Membership':[{'T':'ProfileGroup','id':'#crew'}]},
    {'T':'Profile','id':'#bob','~Membership':[{'T':'ProfileGroup','id':'#crew'}]},
    {'T':'Profile','id':'#zed','~Membership':[{'T':'ProfileGroup','id':'#pack'}]},
    {'T':'Profile','id':'#mix','~Membership':[{'T':'ProfileGroup','id':'#crew'},{'T':'ProfileGroup','id':'#pack'}]},
    {'T':'Profile','id':'#out','~OneToMany':[{'T':'Entitlement','id':'#own'}]}
]";

/// In one transaction, whatever it takes along.
pub(super) fn remove(
    tx: &mut Transaction<'_>,
    who: &Who,
    targets: &[Uuid],
    if_match: Option<&IfMatch>,
) -> Result<Deleted, Error> {
    let rest = super::steps::selected(tx, who, targets, if_match)?;
    super::steps::finished(tx, who, &rest)
}

pub(super) fn id(name: &str) -> Uuid {
    let mut bytes = *b"seatgraph-tests\0";
    for (at, byte) in name.bytes().enumerate() {
        bytes[at % 16] = bytes[at % 16].wrapping_mul(31).wrapping_add(byte);
    }
    bytes[15] ^= name.len() as u8;
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The shorthand written out.
pub(super) fn body(short: &str) -> String {
    let json: Json =
        serde_json::from_str(&short.replace('\'', "\"")).unwrap_or_else(|error| panic!("{error}: {short}"));
    expand(json).to_string()
}

fn expand(json: Json) -> Json {
    match json {
        Json::Array(items) => items.into_iter().map(expand).collect(),
        Json::String(text) => match text.strip_prefix('#') {
            Some(name) => json!(id(name).to_string()),
            None => Json::String(text),
        },
        Json::Object(members) => {
            let (mut out, mut relations) = (Map::new(), Vec::new());
            for (name, value) in members {
                match name.as_str() {
                    "T" => {
                        out.insert("__objType".into(), value);
                    }
                    "refs" => {
                        out.insert("referenceFields".into(), references(value));
                    }
                    "rel" => {
                        out.insert("relationAttributeObject".into(), expand(value));
                    }
                    word if word.starts_with('~') => {
                        let relation = match &word[1..] {
                            "OneToMany" => json!({"multiplicity": "ONE_TO_MANY"}),
                            "ManyToOne" => json!({"multiplicity": "MANY_TO_ONE"}),
                            "ManyToMany" => json!({"multiplicity": "MANY_TO_MANY"}),
                            named => json!({"relationType": named}),
                        };
                        relations.push(json!({
                            "rel_Relation": relation,
                            "rel_RelatedObjectList": {"rel_RelatedObjects": expand(value)},
                        }));
                    }
                    _ => {
                        out.insert(name, expand(value));
                    }
                }
            }
            if !relations.is_empty() {
                out.insert("rel_Relations".into(), Json::Array(relations));
            }
            Json::Object(out)
        }
        other => other,
    }
}

fn references(json: Json) -> Json {
    let Json::Object(members) = json else {
        panic!("references are an object")
    };
    // Of an import's relation the ends are written out.
    let name = |name: String| {
        if name.starts_with("ref_") {
            name
        } else {
            format!("ref_{name}_id")
        }
    };
    members
        .into_iter()
        .map(|(member, value)| (name(member), expand(value)))
        .collect::<Map<_, _>>()
        .into()
}

pub(super) struct World {
    pub graph: Graph,
    clock: Clock,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            graph: Graph::new(),
            clock: Clock::frozen(NOW),
        };
        world.post(WORLD);
        world
    }

    /// Goes on from a graph, with ids beyond those it was made with: two of one graph give the same.
    pub fn of(graph: Graph) -> Self {
        let clock = Clock::frozen(NOW);
        for _ in 0..10_000 {
            clock.new_id();
        }
        Self { graph, clock }
    }

    /// As the engine does it: all or nothing, one revision after the other.
    pub fn write<T>(&mut self, run: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let revision = self.graph.revision() + 1;
        let mut tx = Transaction::new(&mut self.graph, revision, NOW, &self.clock);
        let done = run(&mut tx)?;
        let changes = tx.finish()?;
        if !changes.is_empty() {
            self.graph.set_revision(revision);
        }
        self.graph.check().expect("a graph that fits together");
        Ok(done)
    }

    pub fn send(&mut self, who: &Who, short: &str) -> Result<Upserted, Error> {
        self.send_if(who, short, None)
    }

    pub fn send_if(&mut self, who: &Who, short: &str, if_match: Option<IfMatch>) -> Result<Upserted, Error> {
        let mut objects = wire::objects(body(short).as_bytes(), &Limits::default()).expect("a body that can be read");
        super::super::passwords::hash(&mut objects, &Limits::default()).expect("a password that can be hashed");
        self.write(|tx| upsert(tx, who, &objects, Mode::Merge, if_match.as_ref()))
    }

    pub fn post(&mut self, short: &str) -> Upserted {
        self.send(&Who::server(), short)
            .unwrap_or_else(|error| panic!("{error}, at {:?}: {short}", error.place()))
    }

    /// A line, or an array of them.
    pub fn import(&mut self, who: &Who, short: &str) -> Result<u64, ImportError> {
        let lines = match serde_json::from_str(&body(short)).expect("JSON") {
            Json::Array(lines) => lines,
            line => vec![line],
        };
        let read = |line: &Json| wire::import_line(line.to_string().as_bytes(), &Limits::default());
        let lines: Vec<_> = lines
            .iter()
            .map(|line| read(line).expect("a line that can be read"))
            .collect();
        let mut failed = None;
        let done = self.write(|tx| {
            import(tx, who, &lines).map(|()| count(tx)).map_err(|error| {
                failed = Some(error.clone());
                error.error
            })
        });
        done.map_err(|error| {
            failed.unwrap_or(ImportError {
                line: usize::MAX,
                error,
            })
        })
    }

    pub fn remove(&mut self, who: &Who, names: &[&str]) -> Result<Deleted, Error> {
        let targets: Vec<Uuid> = names.iter().map(|name| id(name)).collect();
        self.write(|tx| remove(tx, who, &targets, None))
    }

    /// A lease, which no generic write makes.
    pub fn lease(&mut self, assignment: &str, until: Time) {
        let (lease, assignment) = (id(&format!("lease of {assignment}")), id(assignment));
        let field = Kind::Consumption.field("grantedUntil").unwrap();
        let fields = Fields::default().with(field, Some(Value::Time(until)));
        self.write(|tx| {
            tx.create(lease, Kind::Consumption, fields, Kept::default())?;
            Ok(tx.relate(rel::LEASES, assignment, lease, Fields::default())?)
        })
        .unwrap();
    }

    /// A field as it is stored, in a form to compare: `-` if it is not set.
    pub fn value(&self, name: &str, field: &str) -> String {
        let Some(node) = self.graph.find(id(name)) else {
            return "gone".to_owned();
        };
        let index = node.kind.field(field).unwrap_or_else(|| panic!("no field {field}"));
        match node.fields().get(index) {
            None => "-".to_owned(),
            Some(Value::Text(text)) => text.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Time(time)) => time.to_string(),
            Some(Value::Uuid(id)) => id.to_string(),
        }
    }

    pub fn parent(&self, name: &str, parent: Kind) -> Option<Uuid> {
        let node = self.graph.find(id(name))?;
        let rel = node
            .kind
            .parents()
            .iter()
            .copied()
            .find(|rel| rel.def().from == parent)?;
        Some(node.parent(rel)?.id)
    }

    /// How many there are at the far end of `~word`.
    pub fn related(&self, name: &str, word: &str, to: Kind) -> usize {
        let node = self.graph.find(id(name)).expect("there");
        node.hop_count(crate::model::schema::hop(node.kind, word, to).expect("a relation"))
    }
}

/// What a write came to, in one line: `ok N`, or the code and the place.
pub(super) fn told<T>(done: &Result<T, Error>, count: impl Fn(&T) -> u64) -> String {
    match done {
        Ok(done) => format!("ok {}", count(done)),
        Err(error) => match error.place() {
            crate::error::Place::Pointer(pointer) => format!("{} {pointer}", error.code()),
            _ => error.code().to_owned(),
        },
    }
}

pub(super) fn who(permissions: &[&str], organization: Option<&str>, profile: Option<&str>) -> Who {
    Who {
        principal: Principal {
            token: None,
            profile: profile.map(id),
        },
        organization: organization.map(id),
        permissions: Permissions::parse_all(permissions.iter().copied()).expect("permissions"),
    }
}

/// One body in a fresh world, by the server.
pub(super) fn check(short: &str, expected: &str) {
    check_as(&Who::server(), short, expected);
}

/// A refused body changes nothing, to the last bit.
pub(super) fn check_as(who: &Who, short: &str, expected: &str) {
    let mut world = World::new();
    let before = world.graph.digest();
    let done = world.send(who, short);
    assert_eq!(
        told(&done, |done| done.told.count),
        expected,
        "{short}: {:?}",
        done.as_ref().err()
    );
    if done.is_err() {
        assert_eq!(world.graph.digest(), before, "{short}");
    }
}
