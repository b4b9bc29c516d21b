//! UiPath's License Accountant (`doors.md` A): user licenses of an organization, allocated to users and by rules of groups.
//! Routes of `lease_`, of the portal's twin of the same service, and the look-up of group ids. `docs/doors.md` says what of
//! it the vendor documents and what is this project's reading.

mod moving;
mod openapi;
mod path;
mod reason;
mod told;
mod wire;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::web::Bytes;
use futures_util::FutureExt;

use self::path::{Asked, Service};
use self::reason::No;
use crate::engine::Reply;
use crate::http::door::{self, Door, Look, tell};
use crate::http::write::{answer as written, beside};
use crate::http::{Context, answered, auth, body};
use crate::operation::allocation::{self, Account, AllocationError, Change, Direct, Done, Rules};

/// What a page has if nobody says how much, and of some lists the vendor's most whatever is asked for.
const PAGE: usize = 50;

pub const DOOR: Door = Door {
    name: "uipath",
    is_meant: path::is_meant,
    openapi: openapi::document,
    entries: |document, _| moving::entries(document),
    answer: |context, payload| {
        async move {
            let answered = answer(context, payload).await;
            answered.unwrap_or_else(|no| no.respond(&context.request_id))
        }
        .boxed_local()
    },
};

async fn answer(context: &Context, payload: Payload) -> Result<HttpResponse, No> {
    let asked = path::read(context.request.path()).ok_or_else(No::unknown_path)?;
    match asked.service {
        Service::Lease => lease(context, payload, &asked).await,
        Service::Portal => portal(context, payload, &asked).await,
        Service::Identity => identity(context, &asked).await,
    }
}

async fn lease(context: &Context, payload: Payload, asked: &Asked) -> Result<HttpResponse, No> {
    let method = context.request.method();
    let account = |account: &str| -> Account { (account.to_owned(), asked.organization.clone()) };
    match asked.rest().as_slice() {
        ["account", named, "user-license"] => match *method {
            Method::PUT | Method::POST => set_direct(context, payload, account(named)).await,
            _ => Err(No::method(method, "PUT, POST")),
        },
        ["account", named, "user-license", "group", group] => match *method {
            Method::PUT | Method::POST => set_rule(context, payload, account(named), group).await,
            Method::GET | Method::HEAD => bundles(context, account(named), Some(group)).await,
            _ => Err(No::method(method, "GET, HEAD, PUT, POST")),
        },
        ["account", named, "user-license", "group", group, "with-quota"] => match *method {
            Method::PUT | Method::POST => set_quota(context, payload, account(named), group).await,
            Method::GET | Method::HEAD => rule(context, account(named), group).await,
            _ => Err(No::method(method, "GET, HEAD, PUT, POST")),
        },
        ["account", named, "user-license", "groups", "with-quota"] => match *method {
            Method::GET | Method::HEAD => rules(context, account(named)).await,
            _ => Err(No::method(method, "GET, HEAD")),
        },
        ["entitlements", named, "entitled"] => match *method {
            Method::POST => entitled(context, payload, account(named)).await,
            _ => Err(No::method(method, "POST")),
        },
        _ => Err(No::unknown_path()),
    }
}

/// The portal names no account: it is the organization of the path, or the one the token is bound to.
async fn portal(context: &Context, payload: Payload, asked: &Asked) -> Result<HttpResponse, No> {
    let account = portal_account(context, asked)?;
    let rest = asked.rest();
    let Some(rest) = rest.strip_prefix(&["license", "accountant", "UserLicense"]) else {
        return Err(No::unknown_path());
    };
    let method = context.request.method();
    let is_read = method == Method::GET || method == Method::HEAD;
    match rest {
        [] if is_read => pools(context, account).await,
        [] if method == Method::PUT => portal_direct(context, payload, account).await,
        [] if method == Method::DELETE => {
            let (bytes, users) = read(context, payload, wire::users).await?;
            change(context, &bytes, Change::Forget { account, users }, |_| Vec::new()).await
        }
        [] => Err(No::method(method, "GET, HEAD, PUT, DELETE")),
        ["users"] if method == Method::POST => {
            let (bytes, users) = read(context, payload, wire::users).await?;
            change(context, &bytes, Change::Add { account, users }, |_| Vec::new()).await
        }
        ["users"] => Err(No::method(method, "POST")),
        ["user", "page"] if is_read => holders(context, account).await,
        ["group"] if is_read => bundles(context, account, None).await,
        ["group"] if method == Method::PUT => portal_rule(context, payload, account).await,
        ["group"] if method == Method::DELETE => {
            let (bytes, group) = read(context, payload, wire::group).await?;
            change(context, &bytes, Change::DropRules { account, group }, |_| Vec::new()).await
        }
        ["group"] => Err(No::method(method, "GET, HEAD, PUT, DELETE")),
        ["group", "page"] if is_read => portal_rules(context, account).await,
        ["group", group, "allocations"] if is_read => members(context, account, group).await,
        ["group", group, "user", user] if method == Method::DELETE => {
            let (group, user) = ((*group).to_owned(), (*user).to_owned());
            change(context, b"", Change::Release { account, group, user }, |_| Vec::new()).await
        }
        ["user", "page"] | ["group", "page"] | ["group", _, "allocations"] => Err(No::method(method, "GET, HEAD")),
        ["group", _, "user", _] => Err(No::method(method, "DELETE")),
        _ => Err(No::unknown_path()),
    }
}

/// Beside a bound token the name is passed over, as at the lease API: whose it is would tell who else is a customer.
fn portal_account(context: &Context, asked: &Asked) -> Result<Account, No> {
    let graph = context.state.engine.snapshot();
    let who = auth::authenticate(context, &graph)?;
    let bound = who.organization.map(|organization| organization.to_string());
    // Where nobody says which, there is none.
    Ok((bound.or_else(|| asked.organization.clone()).unwrap_or_default(), None))
}

/// Whoever has an organization's id finds those of its groups (`doors.md` A.8).
async fn identity(context: &Context, asked: &Asked) -> Result<HttpResponse, No> {
    let (named, group) = match asked.rest().as_slice() {
        ["Group", named] => ((*named).to_owned(), None),
        ["Group", named, group] => ((*named).to_owned(), Some((*group).to_owned())),
        _ => return Err(No::unknown_path()),
    };
    let method = context.request.method();
    if method != Method::GET && method != Method::HEAD {
        return Err(No::method(method, "GET, HEAD"));
    }
    let account: Account = (named, asked.organization.clone());
    told(
        context,
        |_| Ok(group),
        move |at, group| match group {
            Some(group) => {
                allocation::group(at.graph, at.who, &account, group, at.now, at.limits).map(|group| told::group(&group))
            }
            None => told::groups(&allocation::groups(at.graph, at.who, &account, at.limits)?, at.limits),
        },
    )
    .await
}

/// A read: what is asked for is read once it is known who asks, and told from the graph as it is then.
async fn told<A: Send + 'static>(
    context: &Context,
    asked: impl FnOnce(&wire::Query) -> Result<A, No>,
    told: impl Fn(Look<'_>, &A) -> Result<Vec<u8>, AllocationError> + Send + 'static,
) -> Result<HttpResponse, No> {
    let entered = auth::enter(context).await?;
    let asked = asked(&wire::query(context.query(), context.limits())?)?;
    Ok(tell(context, entered, AllocationError::code, move |at| told(at, &asked)).await??)
}

/// The body as JSON of one shape. Whose request it is is asked first.
async fn read<T>(context: &Context, payload: Payload, shape: fn(&[u8]) -> Result<T, No>) -> Result<(Bytes, T), No> {
    auth::authenticate(context, &context.state.engine.snapshot())?;
    body::require_json(&context.request)?;
    let bytes = door::read(context, payload).await?;
    let read = shape(&bytes)?;
    Ok((bytes, read))
}

/// One write: what is asked for is decided and done in one transaction.
async fn change(
    context: &Context,
    bytes: &[u8],
    change: Change,
    told: impl FnOnce(Done) -> Vec<u8> + Send + 'static,
) -> Result<HttpResponse, No> {
    let who = auth::authenticate(context, &context.state.engine.snapshot())?;
    let limits = *context.limits();
    let done = door::write(context, who, change.name(), Some(bytes), move |tx, who| {
        let done = change.run(tx, who, &limits)?;
        Ok::<_, AllocationError>(Reply::new(200, told(done)))
    });
    Ok(written(done.await??)?)
}

/// U1.
async fn set_direct(context: &Context, payload: Payload, account: Account) -> Result<HttpResponse, No> {
    let (bytes, asked) = read(context, payload, wire::direct).await?;
    wire::bound(asked.users.len(), asked.items.len(), context.limits().targets)?;
    let (organization, external) = (account.0.clone(), asked.external);
    let wanted = Change::Direct(Direct { account, ..asked });
    change(context, &bytes, wanted, move |done| {
        told::records(&done.users, &organization, external, &done.items)
    })
    .await
}

/// The portal says the same in other words, and answers nothing.
async fn portal_direct(context: &Context, payload: Payload, account: Account) -> Result<HttpResponse, No> {
    let (bytes, asked) = read(context, payload, wire::portal_direct).await?;
    wire::bound(asked.users.len(), asked.items.len(), context.limits().targets)?;
    let wanted = Change::Direct(Direct { account, ..asked });
    change(context, &bytes, wanted, |_| Vec::new()).await
}

/// U2.
async fn set_rule(context: &Context, payload: Payload, account: Account, group: &str) -> Result<HttpResponse, No> {
    let (bytes, asked) = read(context, payload, wire::rule).await?;
    wire::bound(1, asked.items.len(), context.limits().targets)?;
    let group = group.to_owned();
    set_rules(
        context,
        &bytes,
        Rules {
            account,
            group,
            ..asked
        },
    )
    .await
}

async fn portal_rule(context: &Context, payload: Payload, account: Account) -> Result<HttpResponse, No> {
    let (bytes, asked) = read(context, payload, wire::portal_rule).await?;
    wire::bound(1, asked.items.len(), context.limits().targets)?;
    set_rules(context, &bytes, Rules { account, ..asked }).await
}

async fn set_rules(context: &Context, bytes: &[u8], wanted: Rules) -> Result<HttpResponse, No> {
    let (organization, group) = (wanted.account.0.clone(), wanted.group.clone());
    let external = wanted.external.unwrap_or(false);
    change(context, bytes, Change::Rules(wanted), move |done| {
        told::group_record(&group, &organization, external, &done.items)
    })
    .await
}

/// U4.
async fn set_quota(context: &Context, payload: Payload, account: Account, group: &str) -> Result<HttpResponse, No> {
    let (bytes, asked) = read(context, payload, wire::rule_with_quota).await?;
    wire::bound(1, asked.items.len(), context.limits().targets)?;
    let (organization, named) = (account.0.clone(), group.to_owned());
    let group = named.clone();
    let wanted = Change::Rules(Rules {
        account,
        group,
        ..asked
    });
    change(context, &bytes, wanted, move |done| {
        told::rule(&named, &organization, &done.ruled.unwrap_or_default())
    })
    .await
}

/// U5.
async fn rule(context: &Context, account: Account, group: &str) -> Result<HttpResponse, No> {
    let group = group.to_owned();
    told(
        context,
        |_| Ok(()),
        move |at, ()| {
            let ruled = allocation::group_rule(at.graph, at.who, &account, &group, at.now, at.limits)?;
            Ok(told::rule(&group, &account.0, &ruled))
        },
    )
    .await
}

/// U6.
async fn rules(context: &Context, account: Account) -> Result<HttpResponse, No> {
    let asked = |query: &wire::Query| Ok((query.page(PAGE, PAGE)?, query.order()?));
    told(context, asked, move |at, (page, order)| {
        let (ruled, count) = allocation::group_rules(at.graph, at.who, &account, *page, *order, at.now, at.limits)?;
        told::rules(&ruled, count, at.limits)
    })
    .await
}

async fn portal_rules(context: &Context, account: Account) -> Result<HttpResponse, No> {
    let most = context.limits().page_max as usize;
    told(
        context,
        |query| query.page(PAGE, most),
        move |at, page| {
            let order = Default::default();
            let (ruled, _) = allocation::group_rules(at.graph, at.who, &account, *page, order, at.now, at.limits)?;
            told::portal_rules(&ruled, at.limits)
        },
    )
    .await
}

/// U3, and its twin of the portal, where the query names the group.
async fn bundles(context: &Context, account: Account, group: Option<&str>) -> Result<HttpResponse, No> {
    let group = |query: &wire::Query| match group {
        Some(group) => Ok(group.to_owned()),
        None => query.required("id"),
    };
    told(context, group, move |at, group| {
        let ruled = allocation::group_rule(at.graph, at.who, &account, group, at.now, at.limits)?;
        let pools = allocation::pools(at.graph, at.who, &account, at.now, at.limits)?;
        Ok(told::bundles(&ruled, &pools))
    })
    .await
}

async fn pools(context: &Context, account: Account) -> Result<HttpResponse, No> {
    told(
        context,
        |_| Ok(()),
        move |at, ()| {
            let pools = allocation::pools(at.graph, at.who, &account, at.now, at.limits)?;
            told::pools(&pools, at.limits)
        },
    )
    .await
}

async fn holders(context: &Context, account: Account) -> Result<HttpResponse, No> {
    let most = context.limits().page_max as usize;
    told(
        context,
        |query| query.page(PAGE, most),
        move |at, page| {
            let holders = allocation::holders(at.graph, at.who, &account, *page, at.now, at.limits)?;
            told::holders(&holders, at.limits)
        },
    )
    .await
}

async fn members(context: &Context, account: Account, group: &str) -> Result<HttpResponse, No> {
    let group = group.to_owned();
    told(
        context,
        |query| query.page(PAGE, PAGE),
        move |at, page| {
            let members = allocation::members(at.graph, at.who, &account, &group, *page, at.now, at.limits)?;
            told::holders(&members, at.limits)
        },
    )
    .await
}

/// U7.
async fn entitled(context: &Context, payload: Payload, account: Account) -> Result<HttpResponse, No> {
    let (_, names) = read(context, payload, wire::names).await?;
    let user = wire::query(context.query(), context.limits())?.one_or_none("userId")?;
    wire::bound(1, names.len(), context.limits().checks)?;
    let (graph, who) = auth::enter(context).await?;
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let asked = names.clone();
    let ask = move || allocation::entitled(&graph, &who, &account, user.as_deref(), &asked, now);
    // One decision is bounded, as at `/authz`; many may take long.
    let told = match names.len() {
        1 => ask(),
        _ => beside(move || Ok(ask())).await?,
    };
    Ok(answered(told::entitled(&names, &told?), revision))
}
