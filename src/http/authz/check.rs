//! Checks at `/authz`: decided in the published graph, item by item. Most take microseconds; what takes longer goes on beside the workers,
//! as at `/checks`.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::asked::Asked;
use super::told::{Answers, Stamp, explanation};
use super::{Form, asked_for, consumer, may_be_dry};
use crate::access::{View, Who};
use crate::entitlement::decision::{self, Decision, Wanted};
use crate::entitlement::select::Looks;
use crate::graph::Graph;
use crate::http::Context;
use crate::http::checked::Noted;
use crate::http::checks::INLINE;
use crate::http::envelope::tell_changes;
use crate::http::problem::Problem;
use crate::http::write::beside;
use crate::model::Time;
use crate::operation::consume::{Consumer, Purpose};

/// By what all items are decided.
struct By<'a> {
    graph: &'a Graph,
    who: &'a Who,
    consumer: Consumer,
    stamp: Stamp<'a>,
    form: Form,
}

/// The answers so far, in order.
struct Checking {
    answers: Answers,
    count: usize,
    noted: Noted,
    looks: Looks,
}

/// `None`: there is more to do than a worker should.
pub fn at_once(
    context: &Context,
    asked: &Asked<'_>,
    form: Form,
    graph: &Graph,
    who: &Who,
) -> Result<Option<Bytes>, Problem> {
    let now = context.state.engine.now();
    let (by, mut checking) = begin(context, asked, form, graph, who, now)?;
    match checking.some(asked, &by) {
        true => checking.finish(context, asked).map(Some),
        false => Ok(None),
    }
}

pub async fn answer(
    context: &Context,
    sent: String,
    form: Form,
    graph: Arc<Graph>,
    who: Who,
) -> Result<Bytes, Problem> {
    let limits = *context.limits();
    let asked = Asked::read(context.query(), &sent, &limits)?;
    let now = context.state.engine.now();
    let (by, mut checking) = begin(context, &asked, form, &graph, &who, now)?;
    if checking.some(&asked, &by) {
        return checking.finish(context, &asked);
    }
    let (query, again, consumer) = (context.query().to_owned(), sent.clone(), by.consumer);
    let issuer = Arc::clone(context.state.signer().issuer());
    let checking = beside(move || {
        // Read again: what was read borrows from the request.
        let asked = asked_for(&query, &again, &limits)?;
        let by = By {
            graph: &graph,
            who: &who,
            consumer,
            stamp: stamp(&issuer, &consumer, now, form),
            form,
        };
        while checking.count < asked.items.len() {
            checking.one(&asked, &by);
        }
        Ok(checking)
    })
    .await?;
    checking.finish(context, &asked)
}

fn begin<'a>(
    context: &'a Context,
    asked: &Asked<'_>,
    form: Form,
    graph: &'a Graph,
    who: &'a Who,
    now: Time,
) -> Result<(By<'a>, Checking), Problem> {
    let consumer = consumer(graph, who, asked.on_behalf_of, Purpose::Check)?;
    may_be_dry(asked, form)?;
    let by = By {
        graph,
        who,
        consumer,
        stamp: stamp(context.state.signer().issuer(), &consumer, now, form),
        form,
    };
    let checking = Checking {
        answers: Answers::new(form, asked.items.len()),
        count: 0,
        noted: Noted::new(context, now),
        looks: Looks::default(),
    };
    Ok((by, checking))
}

fn stamp<'a>(issuer: &'a str, consumer: &Consumer, now: Time, form: Form) -> Stamp<'a> {
    Stamp {
        issuer,
        subject: consumer.profile,
        now,
        signed: form == Form::Jwt,
    }
}

impl Checking {
    /// As many as a worker has time for. Whether that was all.
    fn some(&mut self, asked: &Asked<'_>, by: &By<'_>) -> bool {
        let all = asked.items.len();
        if all == 1 {
            self.one(asked, by);
            return true;
        }
        let began = Instant::now();
        while self.count < all && began.elapsed() < INLINE {
            self.one(asked, by);
        }
        self.count == all
    }

    /// The next one.
    fn one(&mut self, asked: &Asked<'_>, by: &By<'_>) {
        let Some(item) = asked.items.get(self.count) else {
            return;
        };
        self.count += 1;
        let (graph, now) = (by.graph, by.stamp.now);
        let again = (asked.explain && by.form == Form::Json).then(|| self.looks.clone());
        let wanted = by.consumer.wanting(asked.wanted(item, &self.looks));
        let decided = decision::decide(graph, by.consumer.profile, &item.name, &wanted, now);
        self.noted.decided(graph, &by.consumer, &item.name, &wanted, &decided);
        let explained = again.map(|looks| {
            let wanted = by.consumer.wanting(asked.wanted(item, &looks));
            explained(graph, by.who, &by.consumer, &item.name, &wanted, now)
        });
        match &decided {
            Decision::Granted(granted) => {
                let hw = wanted.hw.map(|hw| hw.id);
                let told = explained.as_deref();
                self.answers.granted(&item.name, granted, None, hw, &by.stamp, told);
            }
            Decision::Refused(refusal) => {
                let told = explained.as_deref();
                self.answers.refused(&item.name, refusal.reason, &by.stamp, told);
            }
        }
    }

    fn finish(self, context: &Context, asked: &Asked<'_>) -> Result<Bytes, Problem> {
        self.noted.leave(&context.state);
        let mut body = self.answers.finish();
        if asked.dry_run {
            tell_changes(&mut body, &[], context.limits())?;
        }
        let most = context.limits().answer_bytes();
        if body.len() as u64 > most.value {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "answerTooLarge",
                "the answer is too large",
            )
            .limit(most)
            .help("ask for fewer items, or without `explain`"));
        }
        Ok(Bytes::from(body))
    }
}

/// The same decision once more, as it came about.
pub fn explained(graph: &Graph, who: &Who, consumer: &Consumer, item: &str, wanted: &Wanted<'_>, now: Time) -> Vec<u8> {
    let (_, tried) = decision::explain(graph, consumer.profile, item, wanted, now);
    let mut out = Vec::new();
    explanation(&mut out, &tried, consumer.profile, item, &View::new(graph, who), now);
    out
}
