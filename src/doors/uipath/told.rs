//! Shapes of the vendor's answers (`doors.md` A.3, A.6 and A.8).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::http::door::{At, json, list};
use crate::limits::Limits;
use crate::operation::allocation::{self, AllocationError, Held, Listed, Ruled};
use crate::operation::foreign::Named;

/// The largest number the vendor's clients read: a pool without limit.
const UNLIMITED: u64 = i32::MAX as u64;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    user_id: &'a str,
    organization_id: &'a str,
    use_external_license: bool,
    user_bundle_codes: &'a [String],
}

/// Of U1: one a user.
pub fn records(users: &[String], organization: &str, external: bool, items: &[String]) -> Vec<u8> {
    let each = users.iter().map(|user| Record {
        user_id: user,
        organization_id: organization,
        use_external_license: external,
        user_bundle_codes: items,
    });
    json(&each.collect::<Vec<_>>())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupRecord<'a> {
    group_id: &'a str,
    organization_id: &'a str,
    use_external_license: bool,
    user_bundle_codes: &'a [String],
}

/// Of U2.
pub fn group_record(group: &str, organization: &str, external: bool, items: &[String]) -> Vec<u8> {
    json(&GroupRecord {
        group_id: group,
        organization_id: organization,
        use_external_license: external,
        user_bundle_codes: items,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quota<'a> {
    user_bundle_code: &'a str,
    limit: u64,
    current_usage: u64,
}

fn quotas(ruled: &Ruled) -> Vec<Quota<'_>> {
    ruled.held.iter().filter_map(quota).collect()
}

fn quota(held: &Held) -> Option<Quota<'_>> {
    Some(Quota {
        user_bundle_code: &held.item,
        limit: held.quota?,
        current_usage: held.usage,
    })
}

fn codes(ruled: &Ruled) -> Vec<&str> {
    ruled.held.iter().map(|held| held.item.as_str()).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    group_rule: RuleOf<'a>,
    quotas: Vec<Quota<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleOf<'a> {
    group_id: &'a str,
    organization_id: &'a str,
    user_bundle_codes: Vec<&'a str>,
}

/// Of U4 and U5.
pub fn rule(group: &str, organization: &str, ruled: &Ruled) -> Vec<u8> {
    json(&Rule {
        group_rule: RuleOf {
            group_id: group,
            organization_id: organization,
            user_bundle_codes: codes(ruled),
        },
        quotas: quotas(ruled),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedRule<'a> {
    group_rule: ListedRuleOf<'a>,
    quotas: Vec<Quota<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedRuleOf<'a> {
    id: &'a str,
    name: &'a str,
    user_bundle_licenses: Vec<&'a str>,
    user_bundle_leases: BTreeMap<&'a str, u64>,
    use_external_license: bool,
    orphan: bool,
    user_license_bundles_unavailable: Vec<&'a str>,
}

/// Of U6.
pub fn rules(all: &[Ruled], count: usize, limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    let one = |ruled| ListedRule {
        group_rule: listed_rule(ruled),
        quotas: quotas(ruled),
    };
    let mut out = b"{\"results\":".to_vec();
    list::<_, AllocationError>(&mut out, all.iter().map(one), limits)?;
    out.extend_from_slice(format!(",\"totalCount\":{count}}}").as_bytes());
    Ok(out)
}

fn listed_rule(ruled: &Ruled) -> ListedRuleOf<'_> {
    let leases = ruled.held.iter().map(|held| (held.item.as_str(), held.usage));
    ListedRuleOf {
        id: &ruled.id,
        name: &ruled.name,
        user_bundle_licenses: codes(ruled),
        user_bundle_leases: leases.collect(),
        use_external_license: ruled.external,
        orphan: false,
        user_license_bundles_unavailable: ruled.unavailable.iter().map(String::as_str).collect(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PortalRule<'a> {
    id: &'a str,
    name: &'a str,
    user_bundle_licenses: Vec<&'a str>,
    use_external_license: bool,
    orphan: bool,
}

pub fn portal_rules(all: &[Ruled], limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    let rows = all.iter().map(|ruled| PortalRule {
        id: &ruled.id,
        name: &ruled.name,
        user_bundle_licenses: codes(ruled),
        use_external_license: ruled.external,
        orphan: false,
    });
    results(rows, limits)
}

fn results<T: Serialize>(rows: impl Iterator<Item = T>, limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    let mut out = b"{\"results\":".to_vec();
    list::<_, AllocationError>(&mut out, rows, limits)?;
    out.push(b'}');
    Ok(out)
}

/// Who holds a unit uses it, so that both numbers are the seats that are taken, by whatever API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pool<'a> {
    code: &'a str,
    allocated: u64,
    total: u64,
    in_use: u64,
}

fn pool(pool: &allocation::Pool) -> Pool<'_> {
    Pool {
        code: &pool.item,
        allocated: pool.taken.min(UNLIMITED),
        total: pool.total.unwrap_or(UNLIMITED).min(UNLIMITED),
        in_use: pool.taken.min(UNLIMITED),
    }
}

pub fn pools(all: &[allocation::Pool], limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    let mut out = Vec::with_capacity(80 * all.len());
    list::<_, AllocationError>(&mut out, all.iter().map(pool), limits)?;
    Ok(out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundles<'a> {
    available_user_bundles: Vec<Pool<'a>>,
    allocated_user_bundles: Vec<&'a str>,
    use_external_license: bool,
}

/// Of U3.
pub fn bundles(ruled: &Ruled, pools: &[allocation::Pool]) -> Vec<u8> {
    json(&Bundles {
        available_user_bundles: pools.iter().map(pool).collect(),
        allocated_user_bundles: codes(ruled),
        use_external_license: ruled.external,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder<'a> {
    id: &'a str,
    email: Option<&'a str>,
    name: Option<&'a str>,
    surname: Option<&'a str>,
    display_name: Option<&'a str>,
    last_in_use: Option<At>,
    user_bundle_licenses: &'a [String],
    use_external_license: bool,
    orphan: bool,
}

fn holder(holder: &allocation::Holder) -> Holder<'_> {
    let Named {
        login,
        email,
        first,
        last,
        display,
    } = &holder.named;
    // Who has no address is called by its login, which stands alone: with a surname it would be read as a first name.
    let (first, login) = (first.as_deref(), login.as_deref());
    let alone = login.filter(|_| email.is_none());
    Holder {
        id: &holder.id,
        email: email.as_deref(),
        name: alone.or(first).or(login),
        surname: last.as_deref().filter(|_| alone.is_none()),
        display_name: display.as_deref(),
        last_in_use: holder.last_used.map(At),
        user_bundle_licenses: &holder.items,
        use_external_license: holder.external,
        orphan: holder.orphan,
    }
}

pub fn holders(all: &[allocation::Holder], limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    results(all.iter().map(holder), limits)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryGroup<'a> {
    id: &'a str,
    name: &'a str,
    display_name: &'a str,
    r#type: u8,
    creation_time: At,
    last_modification_time: At,
    members: Vec<Member<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    identifier: &'a str,
    name: &'a str,
    display_name: Option<&'a str>,
    email: Option<&'a str>,
}

/// Of the directory. Its types are numbers there: 0 for a group that is built in, 1 for any other.
fn directory_group(group: &Listed) -> DirectoryGroup<'_> {
    let built_in = group.kind.as_deref() == Some("employees");
    let members = group.members.iter().map(|(id, named)| Member {
        identifier: id,
        name: named.login.as_ref().or(named.email.as_ref()).unwrap_or(id),
        display_name: named.display.as_deref(),
        email: named.email.as_deref(),
    });
    DirectoryGroup {
        id: &group.id,
        name: &group.name,
        display_name: group.description.as_ref().unwrap_or(&group.name),
        r#type: u8::from(!built_in),
        creation_time: At(group.created),
        last_modification_time: At(group.updated),
        members: members.collect(),
    }
}

pub fn group(group: &Listed) -> Vec<u8> {
    json(&directory_group(group))
}

pub fn groups(all: &[Listed], limits: &Limits) -> Result<Vec<u8>, AllocationError> {
    let mut out = Vec::with_capacity(160 * all.len());
    list::<_, AllocationError>(&mut out, all.iter().map(directory_group), limits)?;
    Ok(out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entitled<'a> {
    is_entitled: BTreeMap<&'a str, bool>,
}

/// Of U7.
pub fn entitled(names: &[String], told: &[bool]) -> Vec<u8> {
    let each = names.iter().map(String::as_str).zip(told.iter().copied());
    json(&Entitled {
        is_entitled: each.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_address_is_called_by_the_login() {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (login, email, first, last, name, surname) in [
            ("ann", "", "Ann", "Lee", Some("ann"), None),
            ("ann", "", "", "", Some("ann"), None),
            ("ann", "ann@song.example", "Ann", "Lee", Some("Ann"), Some("Lee")),
            ("ann", "ann@song.example", "", "", Some("ann"), None),
            ("", "", "Ann", "Lee", Some("Ann"), Some("Lee")),
            ("", "", "", "Lee", None, Some("Lee")),
        ] {
            let one = allocation::Holder {
                id: "singer-77".to_owned(),
                named: Named {
                    login: some(login),
                    email: some(email),
                    first: some(first),
                    last: some(last),
                    display: None,
                },
                items: Vec::new(),
                last_used: None,
                external: false,
                orphan: false,
            };
            let told = holder(&one);
            assert_eq!(
                (told.name, told.surname),
                (name, surname),
                "{login} {email} {first} {last}"
            );
        }
    }
}
