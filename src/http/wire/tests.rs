//! What is written: exact bytes for a small world, and for large and random ones that it can be read back.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::access::{Permissions, View, Who};
use crate::graph::{Graph, Node, Transaction};
use crate::limits::Limits;
use crate::model::{
    Change, Clock, End, Entity, Field, FieldDef, FieldType, Fields, Header, Kind, Principal, Relation, Time, Value,
    schema,
};
use crate::operation::crud;
use crate::operation::input::{ImportLine, ObjectInput};
use crate::query::{self, Budget, IncludeTree, QueryError};
use crate::selector;

fn set(values: &[(u8, Option<Value>)]) -> Fields {
    values
        .iter()
        .filter_map(|(index, value)| Some((*index, value.clone()?)))
        .collect()
}

fn own(input: &ObjectInput) -> Fields {
    let own = |field: &crate::operation::input::FieldInput| match field.field {
        Field::Own(index) => Some((index, field.value.clone()?)),
        _ => None,
    };
    input.fields.iter().filter_map(own).collect()
}

fn common(input: &ObjectInput, wanted: Field) -> Option<Value> {
    input.fields.iter().find(|field| field.field == wanted)?.value.clone()
}

/// The plainest import there is: lines to changes, applied.
fn graph(lines: &[u8]) -> Graph {
    let mut graph = Graph::new();
    let end = |graph: &Graph, id: Uuid| graph.find(id).unwrap().end();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match import_line(line, &Limits::default()).unwrap() {
            ImportLine::Object(input) => {
                let time = |field| {
                    common(&input, field)
                        .and_then(|value| value.as_time())
                        .unwrap_or_default()
                };
                let serial = common(&input, Field::Serial).and_then(|value| value.as_int());
                let entity = Entity::new(
                    Header {
                        id: input.id.unwrap(),
                        serial: serial.map_or_else(|| graph.next_serial(), |serial| serial as u64),
                        revision: 1,
                        created: time(Field::Created),
                        updated: time(Field::Updated),
                        kind: input.kind,
                    },
                    own(&input),
                );
                let child = End {
                    id: entity.id,
                    serial: entity.serial,
                };
                graph
                    .apply(&Change::Entity {
                        before: None,
                        after: Some(entity),
                    })
                    .unwrap();
                for reference in &input.references {
                    let from = end(&graph, reference.parent.unwrap());
                    let relation = Relation {
                        rel: reference.rel,
                        from,
                        to: child,
                        fields: Fields::default(),
                    };
                    graph
                        .apply(&Change::Relation {
                            before: None,
                            after: Some(Arc::new(relation)),
                        })
                        .unwrap();
                }
            }
            ImportLine::Relation(input) => {
                let (from, to) = (end(&graph, input.from), end(&graph, input.to));
                let relation = Relation {
                    rel: input.rel,
                    from,
                    to,
                    fields: set(&input.fields),
                };
                graph
                    .apply(&Change::Relation {
                        before: None,
                        after: Some(Arc::new(relation)),
                    })
                    .unwrap();
            }
        }
    }
    graph
}

fn export(graph: &Graph) -> String {
    let mut out = Vec::new();
    for kind in export_order() {
        for node in graph.of_kind(*kind, None) {
            let parents: Vec<_> = node.parents().iter().map(|(rel, to)| (*rel, to.end())).collect();
            export_entity(&mut out, node.entity(), &parents);
        }
    }
    let exported = |relation: &Relation| export_relations().contains(&relation.rel);
    for relation in graph.relations().filter(exported) {
        export_relation(&mut out, &relation);
    }
    String::from_utf8(out).unwrap()
}

fn who(permissions: &[&str], organization: Option<Uuid>) -> Who {
    let permissions = Permissions::parse_all(permissions.iter().copied()).unwrap();
    Who {
        principal: Principal::default(),
        organization,
        permissions,
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 | number)
}

/// `'` for `"`, and `$1` for an id.
fn wire(text: &str) -> String {
    let text = text.replace('\'', "\"").replace('\n', "");
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.find(|char: char| !char.is_ascii_digit()).unwrap_or(part.len()));
        out += &id(number.parse().unwrap()).to_string();
        out += rest;
    }
    out
}

fn lines(texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .map(|text| wire(text) + "\n")
        .collect::<String>()
        .into_bytes()
}

/// A group with a member and a license it may consume.
const WORLD: &[&str] = &[
    "{'__objType':'Organization','id':'$1','name':'Nord \\'lys'}",
    "{'__objType':'ProfileGroup','id':'$2','name':'Crew','referenceFields':{'ref_Organization_id':'$1'}}",
    "{'__objType':'Person','id':'$3','firstName':'Åsa'}",
    "{'__objType':'Profile','id':'$4','displayName':'Åsa','referenceFields':{'ref_Person_id':'$3'}}",
    "{'__objType':'EmailAndPassword','id':'$5','userName':'asa','passwordPlain':'secret','referenceFields':{'ref_Person_id':'$3'}}",
    "{'__objType':'Entitlement','id':'$6','isDefault':true,'referenceFields':{'ref_Organization_id':'$1'}}",
    "{'__objType':'LicensedItem','id':'$7','name':'editor'}",
    "{'__objType':'License','id':'$8','validUntil':0,'referenceFields':{'ref_Entitlement_id':'$6','ref_LicensedItem_id':'$7'}}",
    "{'__objType':'Membership','validUntil':0,'referenceFields':{'ref_Profile_id':'$4','ref_ProfileGroup_id':'$2'}}",
];

const BORN: &str = "'created':'1970-01-01T00:00:00.000Z','updated':'1970-01-01T00:00:00.000Z'";

#[test]
fn an_object_is_written_with_what_its_reader_may_see() {
    let graph = graph(&lines(WORLD));
    let all = who(&["*.*"], None);
    let licenses = who(&["License.read", "LicensedItem.read"], None);
    let reference = |kind: &str, id: &str| {
        format!(
            "{{'__objType':'KeyValue','key':{{'__objType':'String','value':'ref_{kind}_id'}},'value':{{'__objType':'UUID','value':'{id}'}}}}"
        )
    };
    let map = |entries: &str| format!(",'referenceFields':{{'__objType':'HashMap','Entries':[{entries}]}}");
    for (number, who, expected) in [
        (
            1,
            &all,
            format!("{{'__objType':'Organization','id':'$1','serial':1,{BORN},'name':'Nord \\'lys'}}"),
        ),
        (
            2,
            &all,
            format!(
                "{{'__objType':'ProfileGroup','id':'$2','serial':2,{BORN},'name':'Crew'{}}}",
                map(&reference("Organization", "$1"))
            ),
        ),
        // The password is a secret.
        (
            5,
            &all,
            format!(
                "{{'__objType':'EmailAndPassword','id':'$5','serial':5,{BORN},'userName':'asa'{}}}",
                map(&reference("Person", "$3"))
            ),
        ),
        (
            8,
            &all,
            format!(
                "{{'__objType':'License','id':'$8','serial':8,{BORN},'validUntil':'1970-01-01T00:00:00.000Z'{}}}",
                map(&format!(
                    "{},{}",
                    reference("Entitlement", "$6"),
                    reference("LicensedItem", "$7")
                ))
            ),
        ),
        // The entitlement is hidden, and so is the reference to it.
        (
            8,
            &licenses,
            format!(
                "{{'__objType':'License','id':'$8','serial':8,{BORN},'validUntil':'1970-01-01T00:00:00.000Z'{}}}",
                map(&reference("LicensedItem", "$7"))
            ),
        ),
    ] {
        let view = View::new(&graph, who);
        let found = written(|out| entities(out, graph.find(id(number)), &view));
        assert_eq!(found, wire(&expected));
    }
    let view = View::new(&graph, &all);
    let two = [graph.find(id(1)).unwrap(), graph.find(id(3)).unwrap()];
    assert_eq!(written(|out| entities(out, two, &view)).matches("},{").count(), 1);
}

#[test]
fn a_flat_row_names_members_by_kind_and_field() {
    let graph = graph(&lines(WORLD));
    let node = |number| graph.find(id(number)).unwrap();
    let row = [node(4), node(3), node(5)];
    for (permissions, expected) in [
        (
            &["*.*"][..],
            "{'Profile_id':'$4','Profile_displayName':'Åsa','Person_id':'$3','Person_firstName':'Åsa','EmailAndPassword_id':'$5','EmailAndPassword_userName':'asa'}",
        ),
        (&["Person.read"], "{'Person_id':'$3','Person_firstName':'Åsa'}"),
        (&["License.read"], "{}"),
    ] {
        let who = who(permissions, None);
        assert_eq!(
            written(|out| flat_row(out, &row, &View::new(&graph, &who))),
            wire(expected)
        );
    }
}

#[test]
fn a_change_shows_what_differs_and_no_secret() {
    let graph = graph(&lines(WORLD));
    let entity = |number: u128, fields: &[(&str, Value)]| {
        let entity = graph.find(id(number)).unwrap().entity();
        let field = |(name, value): &(&str, Value)| (entity.kind.field(name).unwrap(), value.clone());
        Some(Entity::new(**entity, fields.iter().map(field).collect()))
    };
    let name = |text| ("name", Value::text(text));
    let membership = |until: i64| {
        let rel = schema::find_relation(
            crate::model::RelationType::Membership,
            Kind::Profile,
            Kind::ProfileGroup,
        )
        .unwrap();
        let end = |number| graph.find(id(number)).unwrap().end();
        let fields = [(1, Value::Time(Time(until)))].into_iter().collect();
        Some(Arc::new(Relation {
            rel,
            from: end(4),
            to: end(2),
            fields,
        }))
    };
    let owner = {
        let rel = schema::find_relation(
            crate::model::RelationType::OneToMany,
            Kind::Organization,
            Kind::ProfileGroup,
        )
        .unwrap();
        let end = |number| graph.find(id(number)).unwrap().end();
        Some(Arc::new(Relation {
            rel,
            from: end(1),
            to: end(2),
            fields: Fields::default(),
        }))
    };
    let secret = |text| ("passwordPlain", Value::text(text));
    let made = |before, after| Change::Entity { before, after };
    for (change, expected) in [
        (
            made(None, entity(1, &[name("x")])),
            "{'change':'created','__objType':'Organization','id':'$1','after':{'name':'x'}}",
        ),
        (
            made(entity(1, &[name("x")]), None),
            "{'change':'removed','__objType':'Organization','id':'$1','before':{'name':'x'}}",
        ),
        (
            made(
                entity(1, &[name("x"), ("type", Value::text("t"))]),
                entity(1, &[name("x"), ("alias", Value::text("a"))]),
            ),
            "{'change':'updated','__objType':'Organization','id':'$1','before':{'type':'t'},'after':{'alias':'a'}}",
        ),
        (
            made(entity(5, &[secret("old")]), entity(5, &[secret("new")])),
            "{'change':'updated','__objType':'EmailAndPassword','id':'$5','before':{},'after':{}}",
        ),
        (
            Change::Relation {
                before: membership(0),
                after: membership(1),
            },
            "{'change':'updated','__objType':'Membership','referenceFields':{'ref_Profile_id':'$4','ref_ProfileGroup_id':'$2'},\
             'before':{'validUntil':'1970-01-01T00:00:00.000Z'},'after':{'validUntil':'1970-01-01T00:00:00.001Z'}}",
        ),
        (
            Change::Relation {
                before: None,
                after: owner,
            },
            "{'change':'created','__objType':'ObjectRelation','multiplicity':'ONE_TO_MANY',\
             'referenceFields':{'ref_Organization_id':'$1','ref_ProfileGroup_id':'$2'},'after':{}}",
        ),
    ] {
        let found = written(|out| super::change(out, &change));
        assert_eq!(found, wire(expected));
    }
}

#[test]
fn an_export_is_exactly_this() {
    let mut text = WORLD.to_vec();
    text.push("{'__objType':'ProductPackage','id':'$9','title':'P1'}");
    text.push("{'__objType':'ObjectRelation','multiplicity':'MANY_TO_MANY','referenceFields':{'ref_ProductPackage_id':'$9','ref_LicensedItem_id':'$7'}}");
    let exported = export(&graph(&lines(&text)));
    let found: Vec<&str> = exported.lines().collect();
    let expected = [
        format!("{{'__objType':'Organization','id':'$1','serial':1,{BORN},'name':'Nord \\'lys'}}"),
        format!("{{'__objType':'Person','id':'$3','serial':3,{BORN},'firstName':'Åsa'}}"),
        format!("{{'__objType':'LicensedItem','id':'$7','serial':7,{BORN},'name':'editor'}}"),
    ];
    for line in expected {
        assert!(found.contains(&wire(&line).as_str()), "{line}\n{exported}");
    }
    let tail = [
        "{'__objType':'ObjectRelation','multiplicity':'MANY_TO_MANY','referenceFields':{'ref_ProductPackage_id':'$9','ref_LicensedItem_id':'$7'}}",
        "{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$4','ref_ProfileGroup_id':'$2'},'validUntil':'1970-01-01T00:00:00.000Z'}",
    ];
    assert_eq!(found[found.len() - 2..], tail.map(wire));
    assert!(!exported.contains("secret"));
}

fn tree(chains: &[&str], kind: Kind) -> IncludeTree {
    let limits = Limits::default();
    let parsed: Vec<_> = chains
        .iter()
        .map(|chain| selector::parse_include(chain, &limits).unwrap())
        .collect();
    query::includes(&parsed, kind).unwrap()
}

fn nested(graph: &Graph, number: u128, who: &Who, chains: &[&str], limits: &Limits) -> Result<String, QueryError> {
    let node = graph.find(id(number)).unwrap();
    let mut out = Vec::new();
    entity(
        &mut out,
        node,
        &View::new(graph, who),
        &tree(chains, node.kind),
        &mut Budget::new(limits),
    )?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn includes_nest_what_the_reader_may_see() {
    let graph = graph(&lines(WORLD));
    let all = who(&["*.*"], None);
    let own = "'created':'1970-01-01T00:00:00.000Z','updated':'1970-01-01T00:00:00.000Z'";
    let reference = |kind: &str, id: &str| {
        format!(
            "{{'__objType':'KeyValue','key':{{'__objType':'String','value':'ref_{kind}_id'}},'value':{{'__objType':'UUID','value':'{id}'}}}}"
        )
    };
    let map = |entries: &str| format!(",'referenceFields':{{'__objType':'HashMap','Entries':[{entries}]}}");
    let list = |relation: &str, kind: &str, objects: &str| {
        format!(
            "{{'rel_Relation':{{'__objType':'ObjectRelation',{relation},'relatedObjectType':'com.tenduke.sdk2.objectmodel.identity.{kind}'}},\
             'rel_RelatedObjectList':{{'__objType':'RelatedObjectList','rel_RelatedObjects':[{objects}]}}}}"
        )
    };
    let organization = format!("{{'__objType':'Organization','id':'$1','serial':1,{own},'name':'Nord \\'lys'");
    let group = format!(
        "{{'__objType':'ProfileGroup','id':'$2','serial':2,{own},'name':'Crew'{}",
        map(&reference("Organization", "$1"))
    );
    let profile = format!(
        "{{'__objType':'Profile','id':'$4','serial':4,{own},'displayName':'Åsa'{}",
        map(&reference("Person", "$3"))
    );
    let person = format!("{{'__objType':'Person','id':'$3','serial':3,{own},'firstName':'Åsa'}}");
    let membership = format!(
        ",'relationAttributeObject':{{'__objType':'Membership','validUntil':'1970-01-01T00:00:00.000Z'{}}}",
        map(&format!(
            "{},{}",
            reference("Profile", "$4"),
            reference("ProfileGroup", "$2")
        ))
    );
    let (down, up) = ("'multiplicity':'ONE_TO_MANY'", "'multiplicity':'MANY_TO_ONE'");
    let member = "'relationType':'com.tenduke.sdk2.types.object.graph.Membership'";
    for (chains, expected) in [
        (&[][..], format!("{organization}}}")),
        (
            &["/~OneToMany/ProfileGroup"],
            format!(
                "{organization},'rel_Relations':[{}]}}",
                list(down, "ProfileGroup", &format!("{group}}}"))
            ),
        ),
        // An include that finds nothing says so.
        (
            &["/~OneToMany/ProfileGroup[@name='x']", "/~OneToMany/Property"],
            format!(
                "{organization},'rel_Relations':[{},{}]}}",
                list(down, "ProfileGroup", ""),
                list(down, "Property", "")
            ),
        ),
        (
            &["/~OneToMany/ProfileGroup/~Membership/Profile/~ManyToOne/Person"],
            format!(
                "{organization},'rel_Relations':[{}]}}",
                list(
                    down,
                    "ProfileGroup",
                    &format!(
                        "{group},'rel_Relations':[{}]}}",
                        list(
                            member,
                            "Profile",
                            &format!(
                                "{profile}{membership},'rel_Relations':[{}]}}",
                                list(up, "Person", &person)
                            )
                        )
                    )
                )
            ),
        ),
    ] {
        assert_eq!(
            nested(&graph, 1, &all, chains, &Limits::default()),
            Ok(wire(&expected)),
            "{chains:?}"
        );
    }
    let groups = who(&["Organization.read", "ProfileGroup.read"], None);
    let chains = &["/~OneToMany/ProfileGroup/~Membership/Profile"];
    let text = nested(&graph, 1, &groups, chains, &Limits::default()).unwrap();
    assert!(
        text.contains("Crew") && !text.contains("displayName") && text.contains("\"rel_RelatedObjects\":[]"),
        "{text}"
    );
}

#[test]
fn an_answer_that_grows_too_large_ends() {
    let graph = graph(&lines(WORLD));
    let all = who(&["*.*"], None);
    let limits = Limits {
        answer_bytes: 300,
        ..Limits::default()
    };
    assert!(nested(&graph, 1, &all, &[], &limits).is_ok());
    let error = nested(&graph, 1, &all, &["/~OneToMany/ProfileGroup"], &limits).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.limit.map(|limit| limit.name)),
        ("answerTooLarge", Some("answer_bytes"))
    );
}

/// By the operation.
fn imported(text: &[u8]) -> Graph {
    let limits = Limits::default();
    let mut graph = Graph::new();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(|line| import_line(line, &limits).unwrap()).collect();
    let clock = Clock::frozen(Time(1_770_000_000_000));
    let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
    crud::import(&mut transaction, &who(&["*.*"], None), &lines).unwrap();
    transaction.finish().unwrap();
    graph
}

#[test]
fn an_export_is_imported_and_exported_again_byte_by_byte() {
    let mut out = Vec::new();
    let world = crate::cli::generate::World {
        organizations: 5,
        users: 60,
        licenses: 40,
        hub: 0,
        seed: 11,
    };
    crate::cli::generate::write(world, &mut out, &mut |_| {}).unwrap();
    let first = imported(&out);
    let exported = export(&first);
    let second = imported(exported.as_bytes());
    assert_eq!(
        (first.len(), first.relation_count()),
        (second.len(), second.relation_count())
    );
    for (one, other) in exported.lines().zip(export(&second).lines()) {
        assert_eq!(one, other);
    }
    assert!(export(&second) == exported);
}

/// What was read with includes and is sent back unchanged changes nothing.
#[test]
fn an_answer_sent_back_changes_nothing() {
    let mut out = Vec::new();
    let world = crate::cli::generate::World {
        organizations: 3,
        users: 12,
        licenses: 9,
        hub: 0,
        seed: 5,
    };
    crate::cli::generate::write(world, &mut out, &mut |_| {}).unwrap();
    let mut graph = imported(&out);
    let all = who(&["*.*"], None);
    let limits = Limits::default();
    for (kind, chains) in [
        (
            Kind::Organization,
            &[
                "/~OneToMany/ProfileGroup/~Membership/Profile/~ManyToOne/Person/~OneToMany/EmailAndPassword",
                "/~OneToMany/OrganizationRole/~ManyToMany/Profile",
            ][..],
        ),
        (
            Kind::Entitlement,
            &[
                "/~LicenseConsumerRelation/ProfileGroup",
                "/~LicenseConsumerRelation/Profile",
                "/~OneToMany/License/~OneToMany/SeatCountCredit",
            ],
        ),
        (
            Kind::LicensedItem,
            &[
                "/~Includes/LicensedItem",
                "/~ManyToMany/ProductPackage/~ManyToOne/LicenseModel/~OneToMany/LeaseTimeBehavior",
            ],
        ),
        (
            Kind::Profile,
            &[
                "/~Membership/ProfileGroup/~ManyToOne/Organization",
                "/~OneToMany/Assignment/~ManyToOne/License",
            ],
        ),
        (Kind::LicenseModel, &["/~OneToMany/ConcurrentSessions"]),
    ] {
        let body = {
            let view = View::new(&graph, &all);
            let tree = tree(chains, kind);
            let mut body = b"{\"__objType\":\"ArrayList\",\"Items\":[".to_vec();
            for (index, node) in graph.of_kind(kind, None).enumerate() {
                body.extend_from_slice(if index > 0 { b"," } else { b"" });
                entity(&mut body, node, &view, &tree, &mut Budget::new(&limits)).unwrap();
            }
            body.extend_from_slice(b"]}");
            body
        };
        let objects = objects(&body, &limits).unwrap();
        assert!(objects.iter().any(|object| !object.related.is_empty()), "{kind:?}");
        let clock = Clock::frozen(Time(1_000_000));
        let mut transaction = Transaction::new(&mut graph, 2, clock.now(), &clock);
        let done = crud::upsert(&mut transaction, &all, &objects, crud::Mode::Merge, None).unwrap();
        assert_eq!(
            (done.told.count, transaction.finish().unwrap().first()),
            (0, None),
            "{kind:?}"
        );
    }
}

/// The entity as read back is the entity that was written, but for its secrets.
fn same(input: &ObjectInput, node: Node<'_>) {
    assert_eq!((input.kind, input.id), (node.kind, Some(node.id)));
    assert_eq!(common(input, Field::Serial), Some(Value::Int(node.serial as i64)));
    assert_eq!(common(input, Field::Created), Some(Value::Time(node.created)));
    assert_eq!(common(input, Field::Updated), Some(Value::Time(node.updated)));
    let fields = node.kind.def().fields;
    let shown = node
        .fields()
        .iter()
        .filter(|(index, _)| !fields[usize::from(*index)].secret);
    assert_eq!(own(input), shown.map(|(index, value)| (index, value.clone())).collect());
    let parents: Vec<_> = node
        .kind
        .parents()
        .iter()
        .filter_map(|rel| Some((*rel, node.parent(*rel)?.id)))
        .collect();
    let read: Vec<_> = input
        .references
        .iter()
        .filter_map(|one| Some((one.rel, one.parent?)))
        .collect();
    assert_eq!(read, parents);
}

fn round_trip(graph: &Graph) {
    let who = who(&["*.*"], None);
    let view = View::new(graph, &who);
    for kind in Kind::public() {
        let mut out = vec![b'['];
        entities(&mut out, graph.of_kind(kind, None), &view);
        out.push(b']');
        let inputs = objects(&out, &Limits::default()).unwrap();
        assert_eq!(inputs.len(), graph.kind_count(kind));
        inputs
            .iter()
            .zip(graph.of_kind(kind, None))
            .for_each(|(input, node)| same(input, node));
    }
    let exported = export(graph);
    let again = self::graph(exported.as_bytes());
    assert!(export(&again) == exported, "the second export differs");
}

#[test]
fn a_generated_world_is_read_back_as_it_was_written() {
    let mut out = Vec::new();
    let world = crate::cli::generate::World {
        organizations: 10,
        users: 200,
        licenses: 150,
        hub: 0,
        seed: 3,
    };
    crate::cli::generate::write(world, &mut out, &mut |_| {}).unwrap();
    round_trip(&graph(&out));
}

fn any_value(def: &'static FieldDef) -> BoxedStrategy<Option<Value>> {
    let value = match def.field_type {
        FieldType::Text => any::<String>().prop_map(|text| Value::text(&text)).boxed(),
        FieldType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldType::Int => any::<i64>().prop_map(Value::Int).boxed(),
        FieldType::Time => (-62_167_219_200_000..=253_402_300_799_999i64)
            .prop_map(|millis| Value::Time(Time(millis)))
            .boxed(),
        FieldType::Uuid => any::<u128>()
            .prop_map(|bits| Value::Uuid(Uuid::from_u128(bits)))
            .boxed(),
        // As it is kept: the text of a JSON value in its shortest form.
        FieldType::Json => any::<(String, i64, f64)>()
            .prop_map(|(text, number, float)| {
                let float = if float.is_finite() { float } else { 0.5 };
                Value::text(&serde_json::json!({"a": [text, number], "b": {"c": null, "d": float}}).to_string())
            })
            .boxed(),
    };
    prop_oneof![1 => Just(None), 3 => value.prop_map(Some)].boxed()
}

/// Fields by kind, in the order of the export.
type Values = Vec<Vec<(u8, Option<Value>)>>;

fn any_world() -> impl Strategy<Value = Values> {
    let fields = |kind: &Kind| {
        let fields = kind.def().fields.iter().enumerate();
        fields
            .map(|(index, def)| any_value(def).prop_map(move |value| (index as u8, value)))
            .collect::<Vec<_>>()
    };
    export_order().iter().map(fields).collect::<Vec<_>>()
}

/// An entity of every kind, each under a parent by every relation it can have.
fn world(values: &Values) -> Graph {
    let mut graph = Graph::new();
    for (place, (kind, fields)) in export_order().iter().zip(values).enumerate() {
        let entity = Entity::new(
            Header {
                id: id(place as u128 + 1),
                serial: place as u64 + 1,
                revision: 1,
                created: Time(place as i64),
                updated: Time(place as i64 * 1000),
                kind: *kind,
            },
            set(fields),
        );
        let to = End {
            id: entity.id,
            serial: entity.serial,
        };
        graph
            .apply(&Change::Entity {
                before: None,
                after: Some(entity),
            })
            .unwrap();
        for rel in kind.parents() {
            let from = graph.of_kind(rel.def().from, None).next().unwrap().end();
            let relation = Relation {
                rel: *rel,
                from,
                to,
                fields: Fields::default(),
            };
            graph
                .apply(&Change::Relation {
                    before: None,
                    after: Some(Arc::new(relation)),
                })
                .unwrap();
        }
    }
    graph
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_entity_is_read_back_as_it_was_written(values in any_world()) {
        round_trip(&world(&values));
    }
}
