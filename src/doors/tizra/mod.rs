//! Tizra's admin API (`doors.md` C): licenses made of offers for users and user sets, sessions, logins and objects.
//! `docs/doors.md` says what of it the vendor documents and what is this project's reading.

mod moving;
mod openapi;
mod path;
mod reason;
mod told;
mod wire;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use futures_util::FutureExt;
use serde::Deserialize;

use self::path::{Asked, Place};
use self::reason::No;
use crate::engine::{Reply, Written};
use crate::http::cursor::Lasting;
use crate::http::door::{self, Door, look, tell};
use crate::http::operation::{password, password_was_right};
use crate::http::write::{answer as written, refuse_key};
use crate::http::{Context, answered, auth, body};
use crate::operation::sale::{self, Change, Done, SaleError};

pub const DOOR: Door = Door {
    name: "tizra",
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
    let method = context.request.method();
    let is_read = method == Method::GET || method == Method::HEAD;
    match &asked.place {
        Place::Licenses if is_read => list(context, &asked).await,
        Place::Licenses if method == Method::POST => sell(context, payload, asked).await,
        Place::Licenses => Err(No::method(method, "GET, HEAD, POST")),
        Place::License(id) if is_read => one(context, &asked, id).await,
        Place::License(id) if method == Method::DELETE => remove(context, &asked, id).await,
        Place::License(_) => Err(No::method(method, "GET, HEAD, DELETE")),
        Place::Sessions if method == Method::POST => session(context, payload, &asked).await,
        Place::Operations if method == Method::POST => login(context, payload, &asked).await,
        Place::Sessions | Place::Operations => Err(No::method(method, "POST")),
        Place::Object(id) if is_read => object(context, &asked, id).await,
        Place::Object(id) if method == Method::PUT || method == Method::POST => {
            edit(context, payload, &asked, id).await
        }
        Place::Object(_) => Err(No::method(method, "GET, HEAD, PUT, POST")),
    }
}

/// The body as a JSON object. Whose request it is is asked first.
async fn read(context: &Context, payload: Payload) -> Result<(Bytes, wire::Object), No> {
    auth::authenticate_basic(context, &context.state.engine.snapshot())?;
    body::require_json(&context.request)?;
    let bytes = door::read(context, payload).await?;
    let members = wire::object(&bytes)?;
    Ok((bytes, members))
}

/// An answer with its address in a header too.
fn located(done: Written) -> Result<HttpResponse, No> {
    #[derive(Deserialize)]
    struct Located {
        location: Option<String>,
    }
    let told: Option<Located> = serde_json::from_slice(&done.reply.body).ok();
    let location = told.and_then(|told| told.location);
    let location = location.map(|location| header::HeaderValue::from_str(&location));
    let mut response = written(done)?;
    if let Some(Ok(location)) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// One write: what is asked for is decided and done in one transaction. Where the answer holds a secret, it is kept under no key.
async fn change(
    context: &Context,
    bytes: Option<&[u8]>,
    change: Change,
    told: impl FnOnce(Done) -> (u16, Vec<u8>) + Send + 'static,
) -> Result<HttpResponse, No> {
    let who = auth::authenticate_basic(context, &context.state.engine.snapshot())?;
    let limits = *context.limits();
    let done = door::write(context, who, change.name(), bytes, move |tx, who| {
        let (status, told) = told(change.run(tx, who, &limits)?);
        Ok::<_, SaleError>(Reply::new(status, told))
    });
    located(done.await??)
}

/// `POST licenses`: the offer's terms become a license.
async fn sell(context: &Context, payload: Payload, asked: Asked) -> Result<HttpResponse, No> {
    let (bytes, members) = read(context, payload).await?;
    let wanted = wire::sell(&asked.site, &members, context.limits())?;
    let licenses = context.below_public(&format!("/admin-api/{}/licenses", asked.raw_site));
    change(context, Some(&bytes), Change::Sell(wanted), move |done| {
        let made = done.license.as_ref().map(|sold| told::Made {
            tizra_id: &sold.id,
            license: told::license(sold),
        });
        let id = made.as_ref().map_or("", |made| made.tizra_id);
        let location = format!("{licenses}/{id}");
        (201, told::answer(201, "The license was created", Some(&location), made))
    })
    .await
}

async fn remove(context: &Context, asked: &Asked, id: &str) -> Result<HttpResponse, No> {
    let who = auth::authenticate_basic(context, &context.state.engine.snapshot())?;
    let (site, license) = (asked.site.clone(), id.to_owned());
    let reply = Reply::new(
        200,
        told::answer(200, "The license was removed", None, told::Nothing {}),
    );
    let done = door::remove(
        context,
        who,
        sale::TAKES_BACK,
        reply,
        move |tx, who, limits, dry_run| sale::take_back(tx, who, &site, &license, limits, dry_run),
    );
    Ok(written(done.await.map_err(No::partly)??)?)
}

async fn one(context: &Context, asked: &Asked, id: &str) -> Result<HttpResponse, No> {
    let entered = auth::enter_by(context, auth::authenticate_basic).await?;
    let (site, id) = (asked.site.clone(), id.to_owned());
    let told = tell(context, entered, SaleError::code, move |at| {
        let sold = sale::one(at.graph, at.who, &site, &id, at.now)?;
        Ok(told::ok(told::One {
            license: told::license(&sold),
        }))
    });
    Ok(told.await??)
}

async fn list(context: &Context, asked: &Asked) -> Result<HttpResponse, No> {
    let entered = auth::enter_by(context, auth::authenticate_basic).await?;
    let query = wire::query(context.query(), context.limits())?;
    let text = |name: &str| {
        query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    // A place is one in this list of this caller.
    let cursors = Lasting::new(&auth::bearer_or_basic(context).unwrap_or_default());
    let (user, set, offer) = (text("user-name"), text("user-set-name"), text("offer-id"));
    let question = format!("licenses {:?}", (&asked.site, &user, &set, &offer));
    let opened = |text: String| {
        let place = cursors.open(&text, &question)?;
        Some(u64::from_be_bytes(place.try_into().ok()?))
    };
    let most = context.limits().page_max;
    let wanted = sale::Asked {
        user,
        set,
        offer,
        after: match text("after") {
            None => 0,
            Some(text) => opened(text).ok_or_else(No::bad_cursor)?,
        },
        most: match text("limit").map(|limit| limit.parse::<u64>()) {
            None => most as usize,
            Some(Ok(limit)) if (1..=most).contains(&limit) => limit as usize,
            Some(_) => return Err(No::bad_parameter(format!("`limit` is a whole number from 1 to {most}"))),
        },
    };
    let (site, revision) = (asked.site.clone(), entered.0.revision());
    let looked = look(context, entered, SaleError::code, move |at| {
        let (sold, more) = sale::list(at.graph, at.who, &site, &wanted, at.now, at.limits)?;
        let last = sold.last().filter(|_| more).map(|last| last.serial);
        Ok((told::licenses(&sold, at.limits)?, last))
    });
    let (mut told, last) = looked.await??;
    if let Some(last) = last {
        let next = cursors.seal(&last.to_be_bytes(), &question);
        told.extend_from_slice(format!(",\"next\":\"{next}\"").as_bytes());
    }
    told.push(b'}');
    Ok(answered(told, revision))
}

/// `POST session-login`: rights that somebody else decided about.
async fn session(context: &Context, payload: Payload, asked: &Asked) -> Result<HttpResponse, No> {
    refuse_key(
        &context.request,
        "a session takes no Idempotency-Key",
        "a repeat would have to keep its token: begin another session",
    )?;
    let (_, members) = read(context, payload).await?;
    let (wanted, path) = wire::session(&asked.site, &members, context.limits())?;
    let mut response = change(context, None, Change::Begin(wanted), move |done| {
        let session = done.session.as_ref().map(|entered| told::Entered {
            token: Some(&entered.token),
            user: told::user(&entered.user),
            licenses: entered.licenses.iter().map(told::license).collect(),
        });
        (
            201,
            told::answer(201, "The session was created", path.as_deref(), session),
        )
    })
    .await?;
    let secret = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, secret);
    Ok(response)
}

/// `POST` with `"operation":"login"`: whether a password is right, and what its user may use. The answer leads to the record
/// of the user.
async fn login(context: &Context, payload: Payload, asked: &Asked) -> Result<HttpResponse, No> {
    refuse_key(
        &context.request,
        "a login takes no Idempotency-Key",
        "no answer of one is kept: log in again",
    )?;
    let (_, members) = read(context, payload).await?;
    let (name, secret) = wire::login(&members)?;
    let (graph, who) = auth::enter_by(context, auth::authenticate_basic).await?;
    sale::may_log_in(&graph, &who, &asked.site)?;
    drop((graph, who));
    let verified = password(context, name.clone(), secret).await?;
    let verified = verified.map_err(|_| No::credentials())?;
    // The comparison took its time: the caller is looked up again.
    let graph = context.state.engine.snapshot();
    let who = auth::authenticate_basic(context, &graph)?;
    let entered = (graph, who);
    let (place, revision) = (asked.clone(), entered.0.revision());
    let public = context.below_public("");
    let looked = look(context, entered, SaleError::code, move |at| {
        let found = sale::of_login(at.graph, at.who, &place.site, &verified, at.now, at.limits)?;
        Ok(found.map(|(user, licenses)| {
            let location = format!("{public}{}", place.object(&user.id));
            let entered = told::Entered {
                token: None,
                user: told::user(&user),
                licenses: licenses.iter().map(told::license).collect(),
            };
            let told = told::answer(200, "OK", Some(&location), entered);
            (location, told)
        }))
    });
    let (location, told) = looked.await??.ok_or_else(No::credentials)?;
    password_was_right(context, &name);
    let mut response = answered(told, revision);
    if let Ok(location) = header::HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn object(context: &Context, asked: &Asked, id: &str) -> Result<HttpResponse, No> {
    let entered = auth::enter_by(context, auth::authenticate_basic).await?;
    let (site, id) = (asked.site.clone(), id.to_owned());
    let told = tell(context, entered, SaleError::code, move |at| {
        let found = sale::object(at.graph, at.who, &site, &id, at.now)?;
        Ok(told::ok(told::object(&found)))
    });
    Ok(told.await??)
}

async fn edit(context: &Context, payload: Payload, asked: &Asked, id: &str) -> Result<HttpResponse, No> {
    let (bytes, members) = read(context, payload).await?;
    let update = match *context.request.method() {
        Method::PUT => wire::metadata(members, context.limits())?,
        _ => wire::update(&members, context.limits())?,
    };
    let (site, object) = (asked.site.clone(), id.to_owned());
    let wanted = Change::Edit { site, object, update };
    change(context, Some(&bytes), wanted, |done| {
        let told = done.object.as_ref().map(told::object);
        (200, told::answer(200, "The object was updated", None, told))
    })
    .await
}
