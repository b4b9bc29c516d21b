//! Bodies and what is read from them, a line each.

use super::*;
use crate::model::Value;

const A: &str = "0b6e0000-0000-4000-8000-000000000001";
const B: &str = "0b6e0000-0000-4000-8000-000000000002";

/// Inputs in one line each: `Kind@pointer#id field=value >ref … [~Word/Kind …]`.
fn shown_value(value: Option<&Value>) -> String {
    match value {
        None => "null".to_owned(),
        Some(Value::Time(time)) => time.to_string(),
        Some(Value::Uuid(id)) => short_id(Some(*id)),
        Some(Value::Text(text)) => format!("'{text}'"),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
    }
}

fn short_id(id: Option<Uuid>) -> String {
    match id {
        None => "null".to_owned(),
        Some(id) if id.to_string() == A => "A".to_owned(),
        Some(id) if id.to_string() == B => "B".to_owned(),
        Some(id) => id.to_string(),
    }
}

fn shown_object(input: &ObjectInput) -> String {
    let mut text = format!("{}@{}", input.kind.name(), input.at);
    if input.id.is_some() {
        text += &format!("#{}", short_id(input.id));
    }
    for field in &input.fields {
        text += &format!(
            " {}={}",
            field.field.name(input.kind),
            shown_value(field.value.as_ref())
        );
    }
    for reference in &input.references {
        text += &format!(
            " >{}={}",
            reference.rel.def().reference_name(),
            short_id(reference.parent)
        );
    }
    for related in &input.related {
        text += &format!(" [~{} {}", related.hop.word(), shown_object(&related.object));
        for (index, value) in &related.fields {
            let name = related.hop.rel.def().fields[usize::from(*index)].name;
            text += &format!(" ~{name}={}", shown_value(value.as_ref()));
        }
        if related.ends != (None, None) {
            let end = |end: Option<EndInput>| end.map_or_else(|| "any".to_owned(), |end| short_id(end.id));
            text += &format!(" ~{}-{}", end(related.ends.0), end(related.ends.1));
        }
        text += "]";
    }
    text
}

fn shown_line(line: &ImportLine) -> String {
    match line {
        ImportLine::Object(object) => shown_object(object),
        ImportLine::Relation(relation) => {
            let def = relation.rel.def();
            let fields = relation.fields.iter().map(|(index, value)| {
                format!(
                    " {}={}",
                    def.fields[usize::from(*index)].name,
                    shown_value(value.as_ref())
                )
            });
            let (from, to) = (short_id(Some(relation.from)), short_id(Some(relation.to)));
            format!("{} {from}-{to}{}", def.stable_name(), fields.collect::<String>())
        }
    }
}

/// `'` in place of `"`, and A and B in place of ids.
fn body(text: &str) -> String {
    text.replace('\'', "\"").replace("$A", A).replace("$B", B)
}

fn outcome<T>(read: Read<T>, show: impl Fn(&T) -> String) -> String {
    match read {
        Ok(read) => show(&read),
        Err(error) => {
            let help = error.help.map_or_else(String::new, |help| format!(" | {help}"));
            format!("{} {}: {}{help}", error.code, error.pointer, error.message)
        }
    }
}

fn check(text: &str, expected: &str) {
    let read = objects(body(text).as_bytes(), &Limits::default());
    let found = outcome(read, |all| all.iter().map(shown_object).collect::<Vec<_>>().join("; "));
    assert_eq!(found, expected, "{text}");
}

fn check_line(text: &str, expected: &str) {
    let read = import_line(body(text).as_bytes(), &Limits::default());
    assert_eq!(outcome(read, shown_line), expected, "{text}");
}

#[test]
fn bodies_are_one_object_or_a_list() {
    for (text, expected) in [
        (
            "{'__objType':'Organization','id':'$A','name':'Nordlys'}",
            "Organization@#A name='Nordlys'",
        ),
        (
            "{'name':'Nordlys','__objType':'com.example.any.Organization'}",
            "Organization@ name='Nordlys'",
        ),
        ("[]", ""),
        (
            "[{'__objType':'Person'},{'__objType':'Profile'}]",
            "Person@/0; Profile@/1",
        ),
        (
            "{'__objType':'ArrayList','Items':[{'__objType':'Person'}],'nextCursor':'x'}",
            "Person@/Items/0",
        ),
        ("{'Items':[],'nextCursor':null}", ""),
        ("{'Items':[]}", ""),
    ] {
        check(text, expected);
    }
}

#[test]
fn values_fit_their_fields() {
    let license = |members: &str| format!("{{'__objType':'License',{members}}}");
    for (members, expected) in [
        (
            "'validUntil':'2026-01-31T12:00:00.000Z'",
            "License@ validUntil=2026-01-31T12:00:00.000Z",
        ),
        (
            "'validUntil':'2026-01-31T14:00:00+02:00'",
            "License@ validUntil=2026-01-31T12:00:00.000Z",
        ),
        (
            "'validUntil':1769860800000",
            "License@ validUntil=2026-01-31T12:00:00.000Z",
        ),
        (
            "'validUntil':{'__objType':'Date','value':1769860800000}",
            "License@ validUntil=2026-01-31T12:00:00.000Z",
        ),
        (
            "'validUntil':{'__objType':'java.util.Date','value':'2026-01-31'}",
            "License@ validUntil=2026-01-31T00:00:00.000Z",
        ),
        ("'validUntil':null,'name':''", "License@ validUntil=null name=''"),
        ("'name':{'__objType':'String','value':null}", "License@ name=null"),
        (
            "'active':{'__objType':'Boolean','value':false}",
            "License@ active=false",
        ),
        ("'id':null", "License@"),
        ("'id':{'__objType':'UUID','value':'$A'}", "License@#A"),
        (
            "'serial':7,'created':'2026-01-31','updated':0",
            "License@ serial=7 created=2026-01-31T00:00:00.000Z updated=1970-01-01T00:00:00.000Z",
        ),
        (
            "'name':7",
            "valueDoesNotFit /name: `7` does not fit `name`: a string is expected",
        ),
        (
            "'active':'true'",
            "valueDoesNotFit /active: `true` does not fit `active`: true or false is expected",
        ),
        (
            "'serial':1.5",
            "valueDoesNotFit /serial: `1.5` does not fit `serial`: an integer of 64 bits is expected",
        ),
        (
            "'serial':9223372036854775808",
            "valueDoesNotFit /serial: `9223372036854775808` does not fit `serial`: an integer of 64 bits is expected",
        ),
        (
            "'validUntil':'soon'",
            "valueDoesNotFit /validUntil: `soon` does not fit `validUntil`: a time is expected | ISO 8601 as `2026-01-31T12:00:00.000Z`, with `Z` or an offset, or milliseconds since 1970 as a number",
        ),
        (
            "'validUntil':999999999999999",
            "valueDoesNotFit /validUntil: `999999999999999` does not fit `validUntil`: a time is expected | ISO 8601 as `2026-01-31T12:00:00.000Z`, with `Z` or an offset, or milliseconds since 1970 as a number",
        ),
        (
            "'id':'x'",
            "valueDoesNotFit /id: `x` does not fit `id`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
        ),
        (
            "'name':{'__objType':'Person','value':'x'}",
            "valueDoesNotFit /name/__objType: `Person` does not fit `name`: a string is expected",
        ),
        (
            "'name':{'__objType':'UUID','value':'$A'}",
            "valueDoesNotFit /name/__objType: `UUID` does not fit `name`: a string is expected",
        ),
        (
            "'name':{'__objType':'String','value':'x','more':1}",
            "valueDoesNotFit /name: `{…}` does not fit `name`: a string is expected",
        ),
        (
            "'name':{'__objType':7,'value':'x'}",
            "valueDoesNotFit /name/__objType: `7` does not fit `name`: a string is expected",
        ),
        ("'name':{'value':'x'}", "License@ name='x'"),
        (
            "'id':{'__objType':'Long','value':'$A'}",
            "valueDoesNotFit /id/__objType: `Long` does not fit `id`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
        ),
        ("'id':{'__objType':'String','value':'$A'}", "License@#A"),
        (
            "'serial':{'__objType':'java.lang.Long','value':7},'created':{'__objType':'Long','value':0},'updated':{'__objType':'String','value':'2026-01-31'}",
            "License@ serial=7 created=1970-01-01T00:00:00.000Z updated=2026-01-31T00:00:00.000Z",
        ),
        (
            "'serial':{'__objType':'String','value':7}",
            "valueDoesNotFit /serial/__objType: `String` does not fit `serial`: an integer of 64 bits is expected",
        ),
        (
            "'serial':{'__objType':'Boolean','value':null}",
            "valueDoesNotFit /serial/__objType: `Boolean` does not fit `serial`: an integer of 64 bits is expected",
        ),
        (
            "'validUntil':{'__objType':'Long','value':'2026-01-31'}",
            "valueDoesNotFit /validUntil/__objType: `Long` does not fit `validUntil`: a time is expected | ISO 8601 as `2026-01-31T12:00:00.000Z`, with `Z` or an offset, or milliseconds since 1970 as a number",
        ),
        (
            "'active':{'__objType':'String','value':true}",
            "valueDoesNotFit /active/__objType: `String` does not fit `active`: true or false is expected",
        ),
        (
            "'name':['x']",
            "valueDoesNotFit /name: `[…]` does not fit `name`: a string is expected",
        ),
    ] {
        check(&license(members), expected);
    }
    for (text, expected) in [
        (
            "{'__objType':'ConcurrentSessions','sessionAnchors':[ {'type' : 'hw'} , 1.0 ]}",
            "ConcurrentSessions@ sessionAnchors='[{\"type\":\"hw\"},1.0]'",
        ),
        (
            "{'__objType':'ConcurrentSessions','sessionAnchors':{'__objType':'String','value':'x'}}",
            "ConcurrentSessions@ sessionAnchors='{\"__objType\":\"String\",\"value\":\"x\"}'",
        ),
        (
            "{'__objType':'ConcurrentSessions','sessionAnchors':null}",
            "ConcurrentSessions@ sessionAnchors=null",
        ),
        (
            "{'__objType':'EmailAndPassword','passwordPlain':'secret'}",
            "EmailAndPassword@ passwordPlain='secret'",
        ),
        (
            "{'__objType':'EmailAndPassword','passwordPlain':12345}",
            "valueDoesNotFit /passwordPlain: `…` does not fit `passwordPlain`: a string is expected",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn references_come_in_every_shape() {
    let group = |references: &str| format!("{{'__objType':'ProfileGroup','referenceFields':{references}}}");
    let entry = |key: &str, value: &str| {
        format!("{{'__objType':'HashMap','Entries':[{{'__objType':'KeyValue','key':{key},'value':{value}}}]}}")
    };
    let wrapped = "{'__objType':'String','value':'ref_Organization_id'}";
    for (references, expected) in [
        (
            entry(wrapped, "{'__objType':'UUID','value':'$A'}"),
            "ProfileGroup@ >ref_Organization_id=A",
        ),
        (
            entry(wrapped, "{'__objType':'String','value':'$A'}"),
            "ProfileGroup@ >ref_Organization_id=A",
        ),
        (
            entry("'ref_Organization_id'", "'$A'"),
            "ProfileGroup@ >ref_Organization_id=A",
        ),
        (
            entry(wrapped, "{'__objType':'Long','value':'$A'}"),
            "valueDoesNotFit /referenceFields/Entries/0/value/__objType: `Long` does not fit `value`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
        ),
        (
            entry("{'__objType':'UUID','value':'ref_Organization_id'}", "'$A'"),
            "valueDoesNotFit /referenceFields/Entries/0/key/__objType: `UUID` does not fit `key`: a string is expected",
        ),
        (
            "{'__objType':'Organization','ref_Organization_id':'$A'}".to_owned(),
            "wrongShape /referenceFields/__objType: `Organization` stands where a HashMap is expected",
        ),
        (entry(wrapped, "null"), "ProfileGroup@ >ref_Organization_id=null"),
        (
            entry(wrapped, "{'__objType':'UUID','value':null}"),
            "ProfileGroup@ >ref_Organization_id=null",
        ),
        (
            "{'ref_Organization_id':'$A'}".to_owned(),
            "ProfileGroup@ >ref_Organization_id=A",
        ),
        (
            "{'ref_Organization_id':null}".to_owned(),
            "ProfileGroup@ >ref_Organization_id=null",
        ),
        ("{'__objType':'HashMap'}".to_owned(), "ProfileGroup@"),
        ("null".to_owned(), "ProfileGroup@"),
        (
            "{'ref_Organisation_id':'$A'}".to_owned(),
            "unknownField /referenceFields/ref_Organisation_id: unknown member `ref_Organisation_id` in references of `ProfileGroup` | did you mean `ref_Organization_id`?",
        ),
        (
            entry("'ref_Profile_id'", "'$A'"),
            "unknownField /referenceFields/Entries/0/key: unknown member `ref_Profile_id` in references of `ProfileGroup` | known here: ref_Organization_id",
        ),
        (
            entry(wrapped, "7"),
            "valueDoesNotFit /referenceFields/Entries/0/value: `7` does not fit `value`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
        ),
        (
            "[]".to_owned(),
            "wrongShape /referenceFields: `[…]` stands where an object of references is expected",
        ),
        (
            "{'Entries':{}}".to_owned(),
            "wrongShape /referenceFields/Entries: `{…}` stands where an array of entries is expected",
        ),
        (
            "{'Entries':[{'value':'$A'}]}".to_owned(),
            "wrongShape /referenceFields/Entries/0: the entry has no `key`",
        ),
        (
            "{'Entries':[{'key':'ref_Organization_id'}]}".to_owned(),
            "wrongShape /referenceFields/Entries/0: the entry has no `value` | to unlink, send null",
        ),
        (
            "{'Entries':[{'key':'ref_Organization_id','value':'$A'},{'key':'ref_Organization_id','value':null}]}"
                .to_owned(),
            "repeatedMember /referenceFields/Entries/1/key: the entry `ref_Organization_id` is given twice",
        ),
    ] {
        check(&group(&references), expected);
    }
}

#[test]
fn related_objects_hang_on_their_relation() {
    let organization = |relation: &str, objects: &str| {
        format!(
            "{{'__objType':'Organization','id':'$A','rel_Relations':[{{'rel_Relation':{relation},\
             'rel_RelatedObjectList':{{'__objType':'RelatedObjectList','rel_RelatedObjects':{objects}}}}}]}}"
        )
    };
    let groups = "{'__objType':'ObjectRelation','multiplicity':'ONE_TO_MANY',\
                  'relatedObjectType':'com.tenduke.sdk2.objectmodel.identity.ProfileGroup'}";
    let member = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
    for (relation, objects, expected) in [
        (groups, "[{'__objType':'ProfileGroup','id':'$B','name':'Crew'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member}#B name='Crew']")),
        (groups, "[{'name':'Crew'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member} name='Crew']")),
        ("{'multiplicity':'ONE_TO_MANY'}", "[{'__objType':'ProfileGroup'},{'__objType':'Entitlement'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member}] [~OneToMany Entitlement@{}1]", &member[..member.len() - 1])),
        (groups, "[]", "Organization@#A".to_owned()),
        (groups, "null", "Organization@#A".to_owned()),
        (groups, "[{'__objType':'Entitlement'}]", format!("wrongShape {member}/__objType: `Entitlement` is listed among objects of type `ProfileGroup`")),
        (groups, "[{'relationAttributeObject':{}}]", format!("wrongShape {member}/relationAttributeObject: a relation `~OneToMany` has no attributes | to unlink, send the `ref_…_id` in the child's `referenceFields` as null")),
        (groups, "[{'nmae':'Crew'}]", format!("unknownField {member}/nmae: unknown field `nmae` on `ProfileGroup` | did you mean `name`?")),
        (groups, "{}", "wrongShape /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects: `{…}` stands where an array of objects is expected".to_owned()),
        ("{'multiplicity':'ONE_TO_MANY'}", "[{}]", format!("wrongShape {member}: the object has no `__objType` | name its type: `\"__objType\":\"Organization\"`")),
        ("{'multiplicity':'MANY_TO_ONE','relatedObjectType':'Entitlement'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation: no relation `~ManyToOne` leads from `Organization` to `Entitlement` | between these two there is ~OneToMany, in a body `\"multiplicity\":\"ONE_TO_MANY\"`".to_owned()),
        ("{'multiplicity':'SOME','relatedObjectType':'Entitlement'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation/multiplicity: unknown multiplicity `SOME` | one of `ONE_TO_MANY`, `MANY_TO_ONE`, `MANY_TO_MANY`".to_owned()),
        ("{'multiplicity':'Partnership','relatedObjectType':'Organization'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation/multiplicity: unknown multiplicity `Partnership` | one of `ONE_TO_MANY`, `MANY_TO_ONE`, `MANY_TO_MANY`; this one is `\"relationType\":\"Partnership\"`".to_owned()),
        ("{'multiplicity':'ONE_TO_MANY','relatedObjectType':'Organization'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation: no relation `~OneToMany` leads from `Organization` to `Organization` | between these two there is ~Partnership, in a body `\"relationType\":\"Partnership\"`".to_owned()),
        ("{'relationType':'x.Partnershp'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation/relationType: unknown relation type `x.Partnershp` | did you mean `Partnership`?".to_owned()),
        ("{'relatedObjectType':'Entitlement'}", "[]", "wrongShape /rel_Relations/0/rel_Relation: the relation has neither `multiplicity` nor `relationType`".to_owned()),
        ("{'multiplicity':'ONE_TO_MANY','relatedObjectType':'Entitlment'}", "[]", "unknownType /rel_Relations/0/rel_Relation/relatedObjectType: unknown type `Entitlment` | did you mean `Entitlement`?".to_owned()),
        ("{'multiplicity':'ONE_TO_MANY','relatedObjectType':'License'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation: no relation `~OneToMany` leads from `Organization` to `License` | from `Organization` lead ~OneToMany/ProfileGroup, ~OneToMany/OrganizationRole, ~OneToMany/Entitlement, ~OneToMany/OrganizationContactInformation, ~OneToMany/Property, ~OneToMany/TechnicalActor, ~OneToMany/DirectRecord, ~OneToMany/UserSet, ~Partnership/Organization; in a body ~OneToMany is `\"multiplicity\":\"ONE_TO_MANY\"`, and a relation with a name of its own, such as ~Membership, is `\"relationType\":\"Membership\"`".to_owned()),
    ] {
        check(&organization(relation, objects), &expected);
    }
}

#[test]
fn named_relations_carry_their_own_fields() {
    let profile = |attributes: &str| {
        format!(
            "{{'__objType':'Profile','id':'$A','rel_Relations':[{{'rel_Relation':{{'__objType':'ObjectRelation',\
             'relationType':'com.tenduke.sdk2.types.object.graph.Membership','relatedObjectType':'ProfileGroup'}},\
             'rel_RelatedObjectList':{{'rel_RelatedObjects':[{{'id':'$B','relationAttributeObject':{attributes}}}]}}}}]}}"
        )
    };
    let group = "ProfileGroup@/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0#B";
    let at = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/relationAttributeObject";
    for (attributes, expected) in [
        ("null", format!("Profile@#A [~Membership {group}]")),
        ("{}", format!("Profile@#A [~Membership {group}]")),
        (
            "{'__objType':'Membership','validFrom':null,'validUntil':0}",
            format!("Profile@#A [~Membership {group} ~validFrom=null ~validUntil=1970-01-01T00:00:00.000Z]"),
        ),
        (
            "{'referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'}}",
            format!("Profile@#A [~Membership {group} ~A-B]"),
        ),
        (
            "{'__objType':'Implies'}",
            format!("wrongShape {at}/__objType: `Implies` stands on a relation `Membership`"),
        ),
        (
            "{'validTo':0}",
            format!(
                "unknownField {at}/validTo: unknown member `validTo` in a `Membership` | known here: validFrom, validUntil, referenceFields"
            ),
        ),
        (
            "{'referenceFields':{'ref_Person_id':'$A'}}",
            format!(
                "unknownField {at}/referenceFields/ref_Person_id: unknown member `ref_Person_id` in references of `Membership` | known here: ref_Profile_id, ref_ProfileGroup_id"
            ),
        ),
        (
            "7",
            format!("wrongShape {at}: `7` stands where a relation object is expected"),
        ),
    ] {
        check(&profile(attributes), &expected);
    }
    check(
        "{'__objType':'OrganizationRole','rel_Relations':[{'rel_Relation':{'relationType':'Implies'},\
         'rel_RelatedObjectList':{'rel_RelatedObjects':[{'__objType':'OrganizationRole','relationAttributeObject':\
         {'__objType':'Implies','referenceFields':{'ref_OrganizationRole_id2':'$B'}}}]}}]}",
        "OrganizationRole@ [~Implies OrganizationRole@/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0 ~any-B]",
    );
    // One that is null unlinks; a plain relation has nothing else.
    check(
        &profile("{'referenceFields':{'ref_ProfileGroup_id':null}}"),
        &format!("Profile@#A [~Membership {group} ~any-null]"),
    );
    check(
        "{'__objType':'LicensedItem','rel_Relations':[{'rel_Relation':{'multiplicity':'MANY_TO_MANY'},\
         'rel_RelatedObjectList':{'rel_RelatedObjects':[{'__objType':'ProductPackage','relationAttributeObject':\
         {'__objType':'ObjectRelation','referenceFields':{'ref_ProductPackage_id':null}}}]}}]}",
        "LicensedItem@ [~ManyToMany ProductPackage@/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0 ~null-any]",
    );
    check(
        "{'__objType':'LicensedItem','rel_Relations':[{'rel_Relation':{'multiplicity':'MANY_TO_MANY'},\
         'rel_RelatedObjectList':{'rel_RelatedObjects':[{'__objType':'ProductPackage','relationAttributeObject':\
         {'validUntil':null}}]}}]}",
        &format!(
            "unknownField {at}/validUntil: unknown member `validUntil` in a `ManyToMany` | known here: referenceFields"
        ),
    );
}

#[test]
fn what_is_unknown_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "{'__objType':'Licence'}",
            "unknownType /__objType: unknown type `Licence` | did you mean `License`?",
        ),
        (
            "{'__objType':'Token'}",
            "unknownType /__objType: unknown type `Token` | `GET /graph-schema` lists all types",
        ),
        (
            "{'__objType':7}",
            "wrongShape /__objType: `7` stands where the name of a type is expected",
        ),
        (
            "{'__objType':'Membership'}",
            "unknownType /__objType: `Membership` is a relation | list one of its ends in `rel_Relations` of the other, by `\"relationType\":\"Membership\"`, with this as its `relationAttributeObject`; only an import takes it alone",
        ),
        (
            "{'__objType':'ObjectRelation','multiplicity':'MANY_TO_MANY'}",
            "unknownType /__objType: `ObjectRelation` is a relation | list one of its ends in `rel_Relations` of the other, by `\"multiplicity\":\"MANY_TO_MANY\"`; only an import takes it alone",
        ),
        (
            "{'name':'x'}",
            "wrongShape : the object has no `__objType` | name its type: `\"__objType\":\"Organization\"`",
        ),
        ("7", "wrongShape : `7` stands where an object is expected"),
        ("[[]]", "wrongShape /0: `[…]` stands where an object is expected"),
        (
            "{'__objType':'ArrayList','Items':7}",
            "wrongShape /Items: `7` stands where an array of objects is expected",
        ),
        (
            "{'__objType':'ArrayList'}",
            "wrongShape : the list has no `Items` | `{\"__objType\":\"ArrayList\",\"Items\":[]}` is an empty one",
        ),
        (
            "{'__objType':'ArrayList','items':[]}",
            "unknownField /items: unknown member `items` in an ArrayList | did you mean `Items`?",
        ),
        (
            "{'__objType':'ArrayList','Items':[],'nextCursor':7}",
            "wrongShape /nextCursor: `7` stands where a cursor is expected",
        ),
        (
            "{'__objType':'ArrayList','Items':[],'total':7}",
            "unknownField /total: unknown member `total` in an ArrayList | known here: __objType, Items, nextCursor",
        ),
        (
            "{'__objType':'Person','expiryy':7}",
            "unknownField /expiryy: unknown field `expiryy` on `Person` | `Person` has id, firstName, lastName, referenceFields, rel_Relations",
        ),
        (
            "{'__objType':'License','ref_Entitlement_id':'$A'}",
            "unknownField /ref_Entitlement_id: unknown field `ref_Entitlement_id` on `License` | references stand in `referenceFields`",
        ),
        (
            "{'__objType':'License','relationAttributeObject':{}}",
            "unknownField /relationAttributeObject: unknown field `relationAttributeObject` on `License` | it belongs to an object listed in `rel_Relations`",
        ),
        (
            "{'__objType':'Person','rel_Relations':{}}",
            "wrongShape /rel_Relations: `{…}` stands where an array of relations is expected",
        ),
        (
            "{'__objType':'Person','rel_Relations':[{}]}",
            "wrongShape /rel_Relations/0: the entry has no `rel_Relation`",
        ),
        (
            "{'__objType':'Person','rel_Relations':[{'related':7}]}",
            "unknownField /rel_Relations/0/related: unknown member `related` in a relation | known here: rel_Relation, rel_RelatedObjectList",
        ),
        (
            "{'__objType':'Person','rel_Relations':[{'__objType':'Person','rel_Relation':{'multiplicity':'ONE_TO_MANY'}}]}",
            "unknownField /rel_Relations/0/__objType: unknown member `__objType` in a relation | known here: rel_Relation, rel_RelatedObjectList",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn lines_of_an_import_are_objects_or_relations() {
    for (text, expected) in [
        ("{'__objType':'Person','id':'$A','serial':3}", "Person@#A serial=3"),
        (
            "{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'},'validUntil':0}",
            "Membership:Profile:ProfileGroup A-B validUntil=1970-01-01T00:00:00.000Z",
        ),
        (
            "{'__objType':'LicenseConsumerRelation','referenceFields':{'ref_Entitlement_id':'$A','ref_ProfileGroup_id':'$B'}}",
            "LicenseConsumerRelation:Entitlement:ProfileGroup A-B",
        ),
        (
            "{'__objType':'x.LicenseConsumerRelation','referenceFields':{'ref_Profile_id':'$A','ref_Entitlement_id':'$B'}}",
            "LicenseConsumerRelation:Entitlement:Profile B-A",
        ),
        (
            "{'__objType':'Includes','referenceFields':{'ref_LicensedItem_id1':'$A','ref_LicensedItem_id2':'$B'}}",
            "Includes:LicensedItem:LicensedItem A-B",
        ),
        (
            "{'__objType':'ObjectRelation','multiplicity':'MANY_TO_MANY','referenceFields':{'ref_ProductPackage_id':'$A','ref_LicensedItem_id':'$B'}}",
            "ManyToMany:ProductPackage:LicensedItem A-B",
        ),
        (
            "{'__objType':'ObjectRelation','referenceFields':{'ref_ProductPackage_id':'$A','ref_LicensedItem_id':'$B'}}",
            "wrongShape : an `ObjectRelation` has the multiplicity `MANY_TO_MANY` | a one-to-many is the `ref_…_id` in its child's `referenceFields`",
        ),
        (
            "{'__objType':'Membership'}",
            "wrongShape : the `Membership` does not name its two ends | its `referenceFields` are `ref_Profile_id` and `ref_ProfileGroup_id`",
        ),
        (
            "{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':null}}",
            "wrongShape : the `Membership` does not name its two ends | its `referenceFields` are `ref_Profile_id` and `ref_ProfileGroup_id`",
        ),
        (
            "{'__objType':'LicenseConsumerRelation','referenceFields':{'ref_Entitlement_id':'$A','ref_ProfileGroup_id':'$B','ref_Profile_id':'$B'}}",
            "wrongShape : the `LicenseConsumerRelation` does not name its two ends | its `referenceFields` are `ref_Entitlement_id` and `ref_ProfileGroup_id`, or `ref_Entitlement_id` and `ref_Profile_id`",
        ),
        (
            "{'__objType':'Membership','referenceFields':{'ref_Person_id':'$A'}}",
            "unknownField /referenceFields/ref_Person_id: unknown member `ref_Person_id` in references of `Membership` | known here: ref_Profile_id, ref_ProfileGroup_id",
        ),
        (
            "{'__objType':'Membership','id':'$A','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'}}",
            "unknownField /id: unknown member `id` in a `Membership` | known here: validFrom, validUntil, referenceFields",
        ),
        (
            "{'__objType':'Membrship'}",
            "unknownType /__objType: unknown type `Membrship` | `GET /graph-schema` lists all types",
        ),
        ("[]", "wrongShape : `[…]` stands where an object is expected"),
    ] {
        check_line(text, expected);
    }
}
