//! The parameters of `/authz` (`licensing.md` 1.2): query and form as one list, of which reserved names say how, other names
//! without a value are items, and what is left is ignored. Decoded once; borrowed where nothing was encoded.

use std::borrow::Cow;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::entitlement::decision::Wanted;
use crate::entitlement::model::Mode;
use crate::entitlement::select::{Filters, Looks};
use crate::entitlement::sound::PARAMETERS;
use crate::http::anchor;
use crate::http::keys;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::target;
use crate::limits::Limits;
use crate::signing::Algorithm;

/// Parameters that are ids.
const IDS: [&str; 6] = [
    "onBehalfOfId",
    "leaseId",
    "licenseId",
    "entitlementId",
    "ownerOrganizationId",
    "ownerUserId",
];

#[derive(Debug, Default)]
pub struct Asked<'a> {
    pub items: SmallVec<[Item<'a>; 2]>,
    /// The names of the items are ids of leases.
    pub releases: bool,
    pub explain: bool,
    pub dry_run: bool,
    pub on_behalf_of: Option<Uuid>,
    /// By which tokens are signed.
    pub algorithm: Algorithm,
    only_asks: bool,
    mode: Mode,
    duration: Option<u64>,
    count: Option<u32>,
    hw: Option<Cow<'a, str>>,
    process: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
    narrowed: Narrowed,
}

#[derive(Debug)]
pub struct Item<'a> {
    pub name: Cow<'a, str>,
    /// What stands in its value, for it alone.
    narrowed: Narrowed,
}

/// What narrows the licenses, and a lease to renew.
#[derive(Clone, Copy, Debug, Default)]
struct Narrowed {
    lease: Option<Uuid>,
    license: Option<Uuid>,
    entitlement: Option<Uuid>,
    organization: Option<Uuid>,
    user: Option<Uuid>,
}

impl Narrowed {
    /// False if the name is not one of these.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Problem> {
        let place = match name {
            // One that is no id is no lease of anybody: as if it had not been sent (`licensing.md` 1.6).
            "leaseId" => {
                self.lease = Uuid::try_parse(value).ok();
                return Ok(true);
            }
            "licenseId" => &mut self.license,
            "entitlementId" => &mut self.entitlement,
            "ownerOrganizationId" => &mut self.organization,
            "ownerUserId" => &mut self.user,
            _ => return Ok(false),
        };
        *place = Some(id(name, value)?);
        Ok(true)
    }

    /// What one item says of itself.
    fn read(pairs: &str) -> Result<Self, Problem> {
        let mut narrowed = Self::default();
        let mut seen: SmallVec<[(&str, &str); 4]> = SmallVec::new();
        for pair in pairs.split(';') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key.is_empty() && value.is_empty() {
                continue;
            }
            // A filter that is mistyped would let any license in.
            if !narrowed.take(key, value)? {
                return Err(unknown(key));
            }
            match seen.iter().find(|(known, _)| *known == key) {
                Some((_, same)) if !is_same(key, same, value) => return Err(twice(key)),
                Some(_) => {}
                None => seen.push((key, value)),
            }
        }
        narrowed.sound()?;
        Ok(narrowed)
    }

    /// A license has one owner.
    fn sound(&self) -> Result<(), Problem> {
        if self.organization.is_some() && self.user.is_some() {
            return Err(Problem::bad_request(
                "contradictoryFilters",
                "`ownerOrganizationId` and `ownerUserId` are both given",
            )
            .parameter("ownerUserId")
            .help("a license has one owner: leave one of them out"));
        }
        Ok(())
    }
}

impl<'a> Asked<'a> {
    pub fn read(query: &'a str, form: &'a str, limits: &Limits) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut seen: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]> = SmallVec::new();
        // As a browser sends a text area, or `curl -d @file` a file.
        let form = form.trim_end_matches(['\r', '\n']);
        let parts = cut_all(query, b'&').chain(cut_all(form, b'&'));
        let encoded = is_encoded(query) || is_encoded(form);
        for (before, part) in parts.filter(|part| !part.is_empty()).enumerate() {
            Parameters::within(before + 1, limits.parameters())?;
            let (name, value) = cut(part, b'=').unwrap_or((part, ""));
            let (name, value) = match encoded {
                true => (decoded(name)?, decoded(value)?),
                false => (Cow::Borrowed(name), Cow::Borrowed(value)),
            };
            if !PARAMETERS.contains(&&*name) {
                asked.item(name, &value, limits)?;
                continue;
            }
            match seen.iter().find(|(known, _)| *known == name) {
                Some((_, same)) if is_same(&name, same, &value) => continue,
                Some(_) => return Err(twice(&name)),
                None => {}
            }
            asked.reserved(&name, value.clone(), limits)?;
            seen.push((name, value));
        }
        asked.narrowed.sound()?;
        if asked.releases && asked.only_asks {
            return Err(Problem::bad_request(
                "contradictoryFilters",
                "`release` and `doConsume=false` are both given",
            )
            .parameter("doConsume")
            .help("a release gives the lease back: leave `doConsume` out, or ask with `dryRun=true` what it would change"));
        }
        if asked.items.is_empty() {
            return Err(match asked.releases {
                true => Problem::bad_request("leaseMissing", "no lease to release is named")
                    .help("for example `/authz/.json?release&LEASE-ID`"),
                false => Problem::bad_request("itemMissing", "no item is named").help(
                    "for example `/authz/.json?editor`: an item is a name without a value that is not a parameter's own",
                ),
            });
        }
        if asked.narrowed.lease.is_some() && asked.items.len() > 1 {
            return Err(
                Problem::bad_request("leaseIdNeedsOneItem", "`leaseId` is given with several items")
                    .parameter("leaseId")
                    .help("say it of one: `editor=;leaseId=…`"),
            );
        }
        Ok(asked)
    }

    /// Changes nothing.
    pub fn only_checks(&self) -> bool {
        self.only_asks
    }

    fn item(&mut self, name: Cow<'a, str>, value: &str, limits: &Limits) -> Result<(), Problem> {
        let mut narrowed = Narrowed::default();
        match value.strip_prefix(';') {
            // An item has a name.
            _ if name.is_empty() => return Ok(()),
            None if value.is_empty() => {}
            // Something of the client's own: articles, sessions.
            None => return Ok(()),
            Some(pairs) => {
                narrowed = Narrowed::read(pairs).map_err(|problem| of_item(problem, &name))?;
            }
        }
        if self.items.len() as u64 >= limits.items {
            return Err(
                Problem::bad_request("tooManyItems", format!("more than {} items", limits.items))
                    .limit(limits.items())
                    .help("ask in several requests"),
            );
        }
        self.items.push(Item { name, narrowed });
        Ok(())
    }

    fn reserved(&mut self, name: &str, value: Cow<'a, str>, limits: &Limits) -> Result<(), Problem> {
        match name {
            "doConsume" => self.only_asks = !flag(name, &value)?,
            "release" => self.releases = flag(name, &value)?,
            "explain" => self.explain = flag(name, &value)?,
            "dryRun" => self.dry_run = flag(name, &value)?,
            "onBehalfOfId" => self.on_behalf_of = Some(id(name, &value)?),
            "consumptionMode" => {
                self.mode = Mode::named(&value).ok_or_else(|| bad(name, &value, "it is `cache` or `checkout`"))?;
            }
            "consumeDuration" => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                // Longer than can be counted is longer than any model allows.
                let duration = is_number
                    .then(|| value.parse().unwrap_or(u64::MAX))
                    .filter(|ms| *ms > 0);
                self.duration =
                    Some(duration.ok_or_else(|| bad(name, &value, "it is a number of milliseconds from 1 up"))?);
            }
            "consumeCount" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                self.count = Some(count.ok_or_else(|| bad(name, &value, "it is a number from 1 to 4294967295"))?);
            }
            "hw" => self.hw = Some(called(name, value, limits)?),
            "process" => self.process = Some(called(name, value, limits)?),
            "alg" => self.algorithm = keys::algorithm(Some(&value))?,
            "version" => self.version = short(name, value, limits)?,
            "scope" => self.scope = short(name, value, limits)?,
            _ => {
                self.narrowed.take(name, &value)?;
            }
        }
        Ok(())
    }

    /// For one of the items: what it says of itself comes before what is said of all.
    pub fn wanted<'s>(&'s self, item: &'s Item<'_>, looks: &'s Looks) -> Wanted<'s> {
        let (own, all) = (&item.narrowed, &self.narrowed);
        // The owner of either kind is one thing.
        let owner = if own.organization.or(own.user).is_some() {
            own
        } else {
            all
        };
        Wanted {
            mode: self.mode,
            duration: self.duration,
            count: self.count,
            hw: self.hw.as_deref().and_then(anchor::read),
            process: self.process.as_deref().and_then(anchor::read),
            version: self.version.as_deref(),
            scope: self.scope.as_deref(),
            lease: own.lease.or(all.lease),
            filters: Filters {
                license: own.license.or(all.license),
                entitlement: own.entitlement.or(all.entitlement),
                owner_organization: owner.organization,
                owner_user: owner.user,
                within: None,
            },
            looks: Some(looks),
        }
    }
}

/// As `split_once`, by an ASCII character: for texts as short as these, a plain walk is the faster one.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|byte| byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// As `split`, likewise.
fn cut_all(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = cut(text, at).map_or((text, None), |(part, after)| (part, Some(after)));
        rest = after;
        Some(part)
    })
}

fn is_encoded(raw: &str) -> bool {
    raw.as_bytes().contains(&b'%') || raw.as_bytes().contains(&b'+')
}

fn decoded(raw: &str) -> Result<Cow<'_, str>, Problem> {
    if !is_encoded(raw) {
        return Ok(Cow::Borrowed(raw));
    }
    match target::decode_form(raw) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(error) => {
            let help = error.help;
            Err(Problem::bad_request(error.code, format!("{error} in the parameters")).help(help))
        }
    }
}

/// The parameter is said of one of several items: of which.
fn of_item(mut problem: Problem, item: &str) -> Problem {
    problem.detail.push_str(&format!(" for the item `{}`", shown(item)));
    problem.more.insert("item".to_owned(), item.into());
    problem
}

/// As much of what was sent as a message holds.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// An id may be written in several ways.
fn is_same(name: &str, one: &str, other: &str) -> bool {
    let id = |text: &str| IDS.contains(&name).then(|| Uuid::try_parse(text).ok())?;
    one == other || id(one).is_some_and(|one| id(other) == Some(one))
}

/// Once with each of two values (`licensing.md` 1.2); twice with the same is once.
fn twice(name: &str) -> Problem {
    let detail = format!("`{name}` is given twice, with two values");
    Problem::bad_request("repeatedParameter", detail)
        .parameter(name)
        .help("give it once")
}

/// Of one item only some things are said (`licensing.md` 1.2).
fn unknown(name: &str) -> Problem {
    let name = shown(name);
    Problem::bad_request("unknownParameter", format!("unknown parameter `{name}`"))
        .parameter(name)
        .help("known here: leaseId, licenseId, entitlementId, ownerOrganizationId, ownerUserId")
}

fn bad(name: &str, value: &str, help: &str) -> Problem {
    Problem::bad_request("badParameter", format!("`{name}` is `{}`", shown(value)))
        .parameter(name)
        .help(help)
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        other => Err(bad(name, other, "it is `true` or `false`")),
    }
}

fn id(name: &str, value: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(value).map_err(|_| bad(name, value, "it is a UUID"))
}

/// An empty text says nothing.
fn short<'a>(name: &str, value: Cow<'a, str>, limits: &Limits) -> Result<Option<Cow<'a, str>>, Problem> {
    bound(name, &value, limits)?;
    Ok(Some(value).filter(|value| !value.is_empty()))
}

fn bound(name: &str, value: &str, limits: &Limits) -> Result<(), Problem> {
    if value.len() as u64 <= limits.anchor_bytes {
        return Ok(());
    }
    let detail = format!("`{name}` has more than {} bytes", limits.anchor_bytes);
    Err(Problem::bad_request("valueTooLong", detail)
        .parameter(name)
        .limit(limits.anchor_bytes())
        .help("send a shorter one, for example a hash of it"))
}

fn called<'a>(name: &str, text: Cow<'a, str>, limits: &Limits) -> Result<Cow<'a, str>, Problem> {
    let (id, called) = anchor::parts(&text);
    bound(name, id, limits)?;
    bound(name, called.unwrap_or_default(), limits)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::decision;

    fn check(query: &str, form: &str, expected: Result<&str, &str>) {
        let limits = Limits {
            items: 3,
            anchor_bytes: 8,
            ..Limits::default()
        };
        let found = Asked::read(query, form, &limits).map(|asked| {
            let items: Vec<&str> = asked.items.iter().map(|item| &*item.name).collect();
            let mut told = items.join("|");
            if asked.only_checks() {
                told.push_str(" ?");
            }
            if asked.releases {
                told.push_str(" release");
            }
            told
        });
        let found = found.as_deref().map_err(|problem| problem.code);
        assert_eq!(found, expected, "{query} {form}");
    }

    #[test]
    fn items_are_names_without_a_value() {
        check("editor", "", Ok("editor"));
        check("editor=", "", Ok("editor"));
        check("editor&viewer=", "", Ok("editor|viewer"));
        check("editor&editor", "", Ok("editor|editor"));
        check(
            "editor",
            "&articleId=7&viewer&doConsume=false\r\n",
            Ok("editor|viewer ?"),
        );
        check("A+B%26C=", "", Ok("A B&C"));
        check("a%20b", "", Ok("a b"));
        check("articleId=7&editor", "", Ok("editor"));
        check(
            "editor=;licenseId=10000000-0000-4000-8000-000000000001",
            "",
            Ok("editor"),
        );
        check("editor=;", "", Ok("editor"));
        check("editor=;leaseId=x;", "", Ok("editor"));
        check("=;x&editor", "", Ok("editor"));
        check("&&editor&", "&", Ok("editor"));
        check("release&1&2=", "", Ok("1|2 release"));
        check("release=&1", "", Ok("1 release"));
        check("release=true&1&hw=x&doConsume=false", "", Err("contradictoryFilters"));
        check("release=false&editor", "", Ok("editor"));
        check("editor&hw=x&hw=x", "hw=x", Ok("editor"));
        check("_errorKey", "", Ok("_errorKey"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        check("", "", Err("itemMissing"));
        check("articleId=7", "", Err("itemMissing"));
        check("hw&scope&release=false", "", Err("itemMissing"));
        check("=", "", Err("itemMissing"));
        check("=;x", "", Err("itemMissing"));
        for wrong in ["nonsense", "licenseid=1", "hw=x", "consumeCount=2", "=x"] {
            check(&format!("editor=;{wrong}"), "", Err("unknownParameter"));
        }
        check("release", "hw=x", Err("leaseMissing"));
        check("editor&hw=x", "hw=y", Err("repeatedParameter"));
        check("editor=;leaseId=x;leaseId=y", "", Err("repeatedParameter"));
        check("editor=;leaseId=x&viewer=;leaseId=y;leaseId=y", "", Ok("editor|viewer"));
        let (one, two) = (
            "10000000-0000-4000-8000-000000000001",
            "10000000-0000-4000-8000-000000000002",
        );
        for name in ["licenseId", "entitlementId", "ownerOrganizationId", "ownerUserId"] {
            let query = format!("editor=;{name}={one};{name}={two}");
            check(&query, "", Err("repeatedParameter"));
            // The same, written in two ways.
            let (small, large) = (one.replace('1', "a"), one.replace('1', "A"));
            check(&format!("editor=;{name}={small};{name}={large}"), "", Ok("editor"));
            check(
                &format!("editor&{name}={small}"),
                &format!("{name}={large}"),
                Ok("editor"),
            );
        }
        check("editor&hw=a", "hw=A", Err("repeatedParameter"));
        check("a&b&c&d", "", Err("tooManyItems"));
        check("editor&doConsume=no", "", Err("badParameter"));
        check("editor&consumptionMode=online", "", Err("badParameter"));
        for wrong in ["0", "-1", "x", "1.5", ""] {
            check(&format!("editor&consumeDuration={wrong}"), "", Err("badParameter"));
            check(&format!("editor&consumeCount={wrong}"), "", Err("badParameter"));
        }
        check("editor&consumeCount=4294967296", "", Err("badParameter"));
        check("editor&consumeDuration=99999999999999999999999", "", Ok("editor"));
        check("editor&licenseId=x", "", Err("badParameter"));
        check("editor=;licenseId=x", "", Err("badParameter"));
        check("editor&leaseId=x", "", Ok("editor"));
        check(
            "a&b&leaseId=10000000-0000-4000-8000-000000000001",
            "",
            Err("leaseIdNeedsOneItem"),
        );
        let both =
            "ownerUserId=10000000-0000-4000-8000-000000000001&ownerOrganizationId=10000000-0000-4000-8000-000000000001";
        check(&format!("editor&{both}"), "", Err("contradictoryFilters"));
        check("editor&hw=123456789", "", Err("valueTooLong"));
        check("editor&hw=1;name=123456789", "", Err("valueTooLong"));
        check("editor&hw=12345678;name=12345678", "", Ok("editor"));
        check("editor&version=123456789", "", Err("valueTooLong"));
        check("%4", "", Err("brokenEscape"));
        check("editor&hw=%ff", "", Err("notUtf8"));
    }

    #[test]
    fn what_is_wrong_with_one_item_names_it() {
        let check = |query: &str, expected: (&str, Option<&str>, &str)| {
            let problem = Asked::read(query, "", &Limits::default()).expect_err(query);
            let item = problem.more.get("item").and_then(|item| item.as_str());
            let parameter = problem.parameter.as_deref().unwrap_or_default();
            assert_eq!((parameter, item, &*problem.detail), expected, "{query}");
        };
        let one = "10000000-0000-4000-8000-000000000001";
        check(
            &format!("a=;licenseId={one}&b+c=;licenseId=zz"),
            ("licenseId", Some("b c"), "`licenseId` is `zz` for the item `b c`"),
        );
        check("a&licenseId=zz", ("licenseId", None, "`licenseId` is `zz`"));
        check(
            "a&b=;licenseid=zz",
            ("licenseid", Some("b"), "unknown parameter `licenseid` for the item `b`"),
        );
        check(
            "a&b=;leaseId=x;leaseId=y",
            (
                "leaseId",
                Some("b"),
                "`leaseId` is given twice, with two values for the item `b`",
            ),
        );
        check(
            &format!("a=;ownerUserId={one};ownerOrganizationId={one}"),
            (
                "ownerUserId",
                Some("a"),
                "`ownerOrganizationId` and `ownerUserId` are both given for the item `a`",
            ),
        );
    }

    #[test]
    fn what_an_item_says_of_itself_comes_first() {
        let (one, two) = (
            "10000000-0000-4000-8000-000000000001",
            "10000000-0000-4000-8000-000000000002",
        );
        let query = format!(
            "a=;ownerUserId={two}&b&ownerOrganizationId={one}&licenseId={one}&hw=x;name=My+box&process=;name=p"
        );
        let asked = Asked::read(&query, "", &Limits::default()).expect("sound");
        let looks = Looks::default();
        let of = |at: usize| asked.wanted(&asked.items[at], &looks);
        let ids = [one, two].map(|id| Some(Uuid::try_parse(id).expect("an id")));
        assert_eq!(
            (
                of(0).filters.owner_organization,
                of(0).filters.owner_user,
                of(0).filters.license
            ),
            (None, ids[1], ids[0])
        );
        assert_eq!(
            (of(1).filters.owner_organization, of(1).filters.owner_user),
            (ids[0], None)
        );
        let name = Some("My box");
        assert_eq!(
            (of(0).hw, of(0).process),
            (Some(decision::Anchor { id: "x", name }), None)
        );
    }
}
