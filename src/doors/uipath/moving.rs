//! The vendor's own list answers, to come over with (`doors.md` A.3, A.6 and A.8). An entry is known by its members: pools of
//! bundles have `code` and `total`, users a `userId` or an e-mail address, rules a list of bundles, groups of the directory
//! their members. Leases of a group's members are not carried over: each leases again when it next uses a bundle.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::wire::whole;
use crate::http::door::{Unread, listed};
use crate::http::object::Object;
use crate::operation::allocation::Quota;
use crate::operation::foreign::Named;
use crate::operation::moving::{Entry, Held, Member, Step};

type Read<T> = Result<T, String>;

/// One answer, or one element of a list that is an array.
pub fn entries(document: &Value) -> Result<Vec<Entry>, Unread> {
    let placed = listed(document, &["results", "availableUserBundles"])?;
    let read = placed.into_iter().map(|(at, entry)| match says(entry) {
        Ok((organization, says)) => Ok(Entry { at, organization, says }),
        Err(why) => Err(Unread::new(at, why)),
    });
    read.collect()
}

fn read<'v, T: Deserialize<'v>>(entry: &'v Value) -> Read<T> {
    let read = Object::deserialize(entry).map(|Object(read)| read);
    read.map_err(|error| error.to_string())
}

fn says(entry: &Value) -> Read<(Option<String>, Step)> {
    let has = |name: &str| entry.get(name).is_some();
    if has("groupRule") {
        return quoted(entry);
    }
    if has("code") {
        let pool: Pool = read(entry)?;
        let seats = u64::try_from(pool.total).map_err(|_| format!("`total` is {}", pool.total))?;
        return Ok((None, Step::Pool { item: pool.code, seats }));
    }
    if has("userId") {
        let user: Direct = read(entry)?;
        let held = held(user.user_bundle_codes, user.use_external_license);
        let says = Step::User {
            user: user.user_id,
            named: Named::default(),
            direct: Some(held),
        };
        return Ok((user.organization_id, says));
    }
    if ["email", "surname", "userName", "lastInUse", "inheritedFromGroup"]
        .into_iter()
        .any(has)
    {
        return read(entry).map(|user: User| (None, user.says()));
    }
    if has("userBundleLicenses") || has("userBundleCodes") {
        return ruled(read(entry)?, None);
    }
    if has("members") {
        let group: Group = read(entry)?;
        let members = group.members.iter().map(member).collect::<Read<_>>()?;
        let says = Step::Group {
            name: group.display_name.filter(|name| !name.is_empty()).unwrap_or(group.name),
            group: group.id,
            members,
        };
        return Ok((None, says));
    }
    Err("it is no entry of a list this door knows".to_owned())
}

fn held(items: Vec<String>, external: Option<bool>) -> Held {
    Held { items, external }
}

/// What something is found by again.
fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match text.is_empty() {
        false => Ok(text),
        true => Err(serde::de::Error::custom("an id or a code is empty")),
    }
}

#[derive(Deserialize)]
struct Pool {
    #[serde(deserialize_with = "filled")]
    code: String,
    #[serde(deserialize_with = "whole")]
    total: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Direct {
    #[serde(deserialize_with = "filled")]
    user_id: String,
    organization_id: Option<String>,
    user_bundle_codes: Vec<String>,
    use_external_license: Option<bool>,
}

/// Of the portal's page of users, or of the directory's list of licenses.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[serde(deserialize_with = "filled")]
    id: String,
    email: Option<String>,
    user_name: Option<String>,
    name: Option<String>,
    surname: Option<String>,
    display_name: Option<String>,
    #[serde(alias = "userBundleCodes")]
    user_bundle_licenses: Option<Vec<String>>,
    use_external_license: Option<bool>,
    inherited_from_group: Option<Value>,
}

impl User {
    fn says(self) -> Step {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (email, last, mut first) = (some(self.email), some(self.surname), some(self.name));
        let mut login = some(self.user_name);
        // Whoever has no address has its login in the place of the name.
        if email.is_none() && last.is_none() && login.is_none() {
            login = first.take();
        }
        let is_inherited = self.inherited_from_group.as_ref().is_some_and(says_something);
        let direct = self.user_bundle_licenses.filter(|_| !is_inherited);
        Step::User {
            user: self.id,
            named: Named {
                login,
                email,
                first,
                last,
                display: some(self.display_name),
            },
            direct: direct.map(|items| held(items, self.use_external_license)),
        }
    }
}

/// Is it more than another way to say no?
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !["", "false"].contains(&text.as_str()),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ruled {
    #[serde(alias = "groupId", deserialize_with = "filled")]
    id: String,
    organization_id: Option<String>,
    name: Option<String>,
    #[serde(alias = "userBundleCodes")]
    user_bundle_licenses: Vec<String>,
    use_external_license: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Quoted {
    group_rule: Object<Ruled>,
    #[serde(default)]
    quotas: Vec<Object<QuotaMember>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuotaMember {
    user_bundle_code: String,
    #[serde(deserialize_with = "whole")]
    limit: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(deserialize_with = "filled")]
    id: String,
    name: String,
    display_name: Option<String>,
    members: Vec<Value>,
}

/// A member of a group of the directory: an id, or who is called so. Whoever has no address has its login in the place
/// of the name, or the id where it has none either.
fn member(member: &Value) -> Read<Member> {
    let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let of = |name: &str| member.get(name).and_then(Value::as_str);
    let id = some(member.as_str().or_else(|| of("identifier")).or_else(|| of("id")));
    let user = id.ok_or_else(|| "a member is an id, or an object with an `identifier` or an `id`".to_owned())?;
    let email = some(of("email"));
    let named = Named {
        login: some(of("name")).filter(|name| email.is_none() && *name != user),
        email,
        display: some(of("displayName")),
        ..Named::default()
    };
    Ok(Member { user, named })
}

fn quoted(entry: &Value) -> Read<(Option<String>, Step)> {
    let quoted: Quoted = read(entry)?;
    let quotas = quoted.quotas.into_iter().map(|Object(quota)| Quota {
        item: quota.user_bundle_code,
        limit: quota.limit,
    });
    let quotas = quotas.collect();
    let Object(rule) = quoted.group_rule;
    ruled(rule, Some(quotas))
}

/// A rule is of a group that its list names, or of one that is there.
fn ruled(rule: Ruled, quotas: Option<Vec<Quota>>) -> Read<(Option<String>, Step)> {
    let says = Step::Rules {
        group: rule.id,
        name: rule.name,
        held: held(rule.user_bundle_licenses, rule.use_external_license),
        quotas,
    };
    Ok((rule.organization_id, says))
}
