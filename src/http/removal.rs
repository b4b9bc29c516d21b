//! `DELETE /graph`, and what a door removes: one write, or as many as it takes. What goes in which of them is decided in
//! `operation::crud`; here is only what comes between two commits, where everybody else writes: what was removed so far,
//! and what to say when there is no next one.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use serde_json::json;
use tokio::sync::oneshot;

use super::bulk::QUIET;
use super::envelope::{Envelope, SHOWN, named};
use super::places::Place;
use super::problem::{Problem, internal};
use super::sought::{look, settled};
use super::target::RawTarget;
use super::underway::Held;
use super::write::{Asked, answer, beside, condition, decided, dry_turn, still_known};
use super::{Context, State, auth, body};
use crate::access::{View, Who, token};
use crate::engine::{Idempotency, Reply, Write, WriteError, Written};
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::limits::Limits;
use crate::model::Time;
use crate::operation::Sought;
use crate::operation::crud::{self, Deleted, IfMatch, Rest, Undeleted};
use crate::selector::ast::Selector;

/// Where the queue is full between two steps, they wait so long before they ask again.
const PAUSE: Duration = Duration::from_millis(10);

/// Entities and relations of a step while others write: as little of the committer's time as a batch of an import takes
/// then (`bulk::pace`), so that whoever meets a step waits little longer than for its own turn at the disk.
const BESIDE: u64 = 500;

pub async fn delete(context: &Context, mut payload: Payload, raw: RawTarget) -> Result<HttpResponse, Problem> {
    let (_, who) = auth::enter(context).await?;
    let asked = Asked::new(context, raw)?;
    let Some(selector) = asked.selector.clone() else {
        return Err(
            Problem::bad_request("selectorMissing", "there is no selector after `/graph`")
                .help("for example `DELETE /graph/License[@id='…']`"),
        );
    };
    body::refuse(&context.request, &mut payload).await?;
    let write = asked.write(context, &who, "Delete", b"")?;
    let condition = condition(&context.request)?;
    let (limits, dry_run) = (*context.limits(), asked.dry_run);
    let told = Arc::new(
        move |transaction: &mut Transaction<'_>, _: &Who, done: &Deleted, before: u64| {
            reply(transaction, done, before, &limits, dry_run)
        },
    );
    let removal = Removal::new(context, who, write, condition, told).await?;
    let selectors: Arc<[Selector]> = [selector].into();
    let look = async |must: bool| {
        let (graph, who) = (context.state.engine.snapshot(), removal.who.clone());
        let dry = dry_run.then(|| (removal.condition.clone(), context.state.engine.now()));
        rehearse(graph, who, selectors.clone(), limits, dry, must).await
    };
    let first = async |sought: Sought| {
        let (selectors, if_match) = (selectors.clone(), removal.condition.clone());
        let first = move |transaction: &mut Transaction<'_>, who: &Who| {
            crud::delete(
                transaction,
                who,
                &selectors[0],
                &sought,
                if_match.as_ref(),
                &limits,
                dry_run,
            )
        };
        removal.begin(first).await
    };
    let in_vain = |undeleted: &Undeleted| matches!(undeleted, Undeleted::Refused(Error::SoughtInVain));
    let begun = settled(look, first, in_vain).await;
    let begun = begun.map_err(|problem| problem.beneath(&asked.text))?;
    let written = match removal.finish(begun).await {
        Ok(written) => written.map_err(|error: WriteError<Error>| decided(&context.state, error)),
        Err(problem) => Err(problem),
    };
    context.has_written.set(written.is_ok());
    answer(written.map_err(|problem| problem.beneath(&asked.text))?)
}

/// What is to be removed in steps, or else what keeps it from being removed.
fn large<E>(error: WriteError<Undeleted<E>>) -> Result<Rest, WriteError<E>> {
    match error.refused()? {
        Undeleted::Large(rest) => Ok(rest),
        Undeleted::Refused(error) => Err(WriteError::Refused(error)),
    }
}

/// A DELETE on the published graph, up to where it would change something: one that is refused for its permission or for
/// what its selector costs does not keep the committer, and all who wait for it, busy. `dry`: of a dry run, its condition and
/// the time.
async fn rehearse(
    graph: Arc<Graph>,
    who: Arc<Who>,
    selectors: Arc<[Selector]>,
    limits: Limits,
    dry: Option<(Option<IfMatch>, Time)>,
    must: bool,
) -> Result<Sought, Problem> {
    for selector in &*selectors {
        crud::deletion(selector, &View::new(&graph, &who), &limits)?;
    }
    let sought = look(
        graph.clone(),
        who.clone(),
        selectors.clone(),
        limits,
        must || dry.is_some(),
    )
    .await?;
    let Some((if_match, now)) = dry else {
        return Ok(sought);
    };
    beside(move || {
        for targets in selectors.iter().filter_map(|selector| sought.of(selector)) {
            crud::rehearse(&graph, &who, targets, if_match.as_ref(), &limits, now)?;
        }
        drop(graph);
        Ok(sought)
    })
    .await
}

/// `before`: what earlier commits removed and changed.
fn reply(
    transaction: &Transaction<'_>,
    done: &Deleted,
    before: u64,
    limits: &Limits,
    dry_run: bool,
) -> Result<Reply, Error> {
    transaction.validate()?;
    let shown = &done.objects[..done.objects.len().min(SHOWN)];
    let mut reply = Envelope::new("DeleteResult", limits);
    reply.count(before + done.told.count);
    reply.objects(shown, |out, object| named(out, *object))?;
    reply.finish(dry_run.then_some(&done.told.changes[..]))
}

/// What is answered once all is gone, of what the last commit removed and how much those before it did.
type Told = dyn Fn(&mut Transaction<'_>, &Who, &Deleted, u64) -> Result<Reply, Error> + Send + Sync;

/// A removal in one commit or several.
pub struct Removal {
    state: Arc<State>,
    who: Arc<Who>,
    limits: Limits,
    write: Write,
    told: Arc<Told>,
    /// Its key stands for it, though the answer comes with the last step.
    held: Option<Held>,
    /// Of a dry run.
    turn: Option<Arc<Place>>,
    /// Of the first step.
    condition: Option<IfMatch>,
    /// A step is stored.
    begun: bool,
    /// Entities and relations that are removed or changed so far, as far as the caller may know of them: perhaps of none.
    removed: u64,
}

impl Removal {
    /// Waits for its turn under its key.
    pub async fn new(
        context: &Context,
        who: Who,
        write: Write,
        condition: Option<IfMatch>,
        told: Arc<Told>,
    ) -> Result<Self, Problem> {
        let limits = *context.limits();
        // Small or large, for a repeat may find less than the first does. Who waits keeps no graph.
        let held = match &write.idempotency {
            Some(key) => Some(context.state.underway.hold(key, limits.wait_ms()).await?),
            None => None,
        };
        Ok(Self {
            state: context.state.clone(),
            turn: dry_turn(context, write.dry_run).await?.map(Arc::new),
            who: Arc::new(who),
            limits,
            write,
            told,
            held,
            condition,
            begun: false,
            removed: 0,
        })
    }

    /// `first` finds what is to go, and removes it if it fits.
    pub async fn run<E: From<Error> + Send + 'static>(
        self,
        first: impl FnOnce(&mut Transaction<'_>, &Who) -> Result<Deleted, Undeleted<E>> + Send + 'static,
    ) -> Result<Result<Written, WriteError<E>>, Problem> {
        let begun = self.begin(first).await;
        self.finish(begun).await
    }

    /// The first write of it.
    async fn begin<E: From<Error> + Send + 'static>(
        &self,
        first: impl FnOnce(&mut Transaction<'_>, &Who) -> Result<Deleted, Undeleted<E>> + Send + 'static,
    ) -> Result<Written, WriteError<Undeleted<E>>> {
        // The turn is the work's to hold: it goes on where its caller goes away.
        let (who, told, turn) = (self.who.clone(), self.told.clone(), self.turn.clone());
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, Undeleted<E>> {
            let _turn = turn;
            still_known(transaction, &who).map_err(E::from)?;
            let done = first(transaction, &who)?;
            Ok(told(transaction, &who, &done, 0).map_err(E::from)?)
        };
        self.state.engine.write(self.write.clone(), run).await
    }

    /// What the first left for others to do.
    async fn finish<E>(
        mut self,
        begun: Result<Written, WriteError<Undeleted<E>>>,
    ) -> Result<Result<Written, WriteError<E>>, Problem> {
        match begun {
            Ok(written) => Ok(Ok(written)),
            Err(error) => match large(error) {
                Err(error) => Ok(Err(error)),
                Ok(rest) => {
                    // A caller that goes away does not end it half way.
                    let all = actix_web::rt::spawn(async move { self.all(rest).await });
                    all.await.map_err(|_| internal("the work was cut off"))?.map(Ok)
                }
            },
        }
    }

    async fn all(&mut self, mut rest: Rest) -> Result<Written, Problem> {
        // The key is kept with what it stands for: the last commit, whose answer is that of the whole.
        let mut key = self.write.idempotency.take();
        let patience = Duration::from_millis(self.limits.wait_ms);
        let mut waited = Duration::ZERO;
        let (engine, left, who) = (self.state.engine.clone(), rest.clone(), self.who.clone());
        beside(move || Ok(left.may_go(&engine.snapshot(), &who, engine.now())?)).await?;
        loop {
            if self.state.is_stopping() {
                return Err(self.partly(WriteError::<Error>::Stopped.into(), &rest));
            }
            let limits = paced(self.limits, self.state.engine.is_quiet(QUIET));
            let (engine, left) = (self.state.engine.clone(), rest.clone());
            let fits = beside(move || Ok(left.fits(&engine.snapshot(), &limits))).await;
            let done = match fits.map_err(|problem| self.partly(problem, &rest))? {
                false => self.step(rest.clone(), limits).await,
                true => match self.last(rest.clone(), limits, key.clone()).await {
                    // The answer of a repeat at another node, which found less: what that left goes all the same.
                    Ok(written) if written.replayed && rest.is_left(&self.state.engine.snapshot()) => {
                        key = None;
                        continue;
                    }
                    Ok(written) => return Ok(written),
                    // It has grown since.
                    Err(error) => large(error),
                },
            };
            match done {
                Ok(left) => (rest, waited) = (left, Duration::ZERO),
                Err(WriteError::Full) if waited < patience => {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                Err(error) => return Err(self.partly(decided(&self.state, error), &rest)),
            }
        }
    }

    /// Gives what is left after it.
    async fn step(&mut self, rest: Rest, limits: Limits) -> Result<Rest, WriteError<Error>> {
        let (tell, told) = oneshot::channel();
        let (who, if_match) = (self.who.clone(), self.condition.clone());
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, Error> {
            goes_on(transaction, &who, &rest)?;
            let done = crud::step(transaction, &who, rest, if_match.as_ref(), &limits)?;
            // Nobody hears it if the step is not stored.
            let _ = tell.send(done);
            Ok(Reply::empty())
        };
        self.state.engine.write_aside(self.write.clone(), run).await?;
        self.begun = true;
        let (left, count) = told.await.map_err(|_| WriteError::Panicked)?;
        self.condition = None;
        self.removed += count;
        Ok(left)
    }

    async fn last(
        &self,
        rest: Rest,
        limits: Limits,
        key: Option<Idempotency>,
    ) -> Result<Written, WriteError<Undeleted>> {
        let (who, if_match, before) = (self.who.clone(), self.condition.clone(), self.removed);
        let told = self.told.clone();
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, Undeleted> {
            goes_on(transaction, &who, &rest)?;
            let done = crud::delete_rest(transaction, &who, rest, if_match.as_ref(), &limits)?;
            Ok(told(transaction, &who, &done, before)?)
        };
        let write = Write {
            // Also if somebody else's DELETE has ended it: what the steps removed is this one's.
            idempotency: key.map(|key| Idempotency {
                of_several: true,
                ..key
            }),
            ..self.write.clone()
        };
        self.state.engine.write_aside(write, run).await
    }

    /// What stopped it, that a part is gone, and what is still to go, by its ids: the selector may have led through what is
    /// gone. Its caller knows them: they were selected by what it sees.
    fn partly(&self, problem: Problem, rest: &Rest) -> Problem {
        if !self.begun {
            return problem;
        }
        let mut partly = Problem {
            detail: format!(
                "{} entities and relations you may know of were removed or changed before this, beside what was closed so that it gives nothing on its way out: {}",
                self.removed, problem.detail
            ),
            code: "partlyRemoved",
            ..problem
        };
        let targets = rest.targets();
        let left = targets.len();
        let shown = targets.take(SHOWN);
        let shown: Vec<_> = shown
            .map(|(kind, id)| json!({"__objType": kind.name(), "id": id.to_string()}))
            .collect();
        partly.more.insert("cause".into(), json!(problem.code));
        partly.more.insert("removed".into(), json!(self.removed));
        partly.more.insert("targets".into(), json!(shown));
        partly.more.insert("targetsLeft".into(), json!(left));
        let partly = partly.help("what is left fits together; to go on, DELETE the `targets` by their ids: the selector may not find them any more");
        if let Some(held) = &self.held {
            held.break_off(&partly);
        }
        partly
    }
}

/// `still_known`, but for the caller whose own profile is half way gone.
fn goes_on(transaction: &Transaction<'_>, who: &Who, rest: &Rest) -> Result<(), Error> {
    token::goes_on(transaction.graph(), who, transaction.now(), rest.ended()).map_err(Error::from)
}

/// The limits of the next step, alone or beside others.
fn paced(mut limits: Limits, alone: bool) -> Limits {
    if !alone {
        limits.cascade = limits.cascade.min(BESIDE);
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_small_beside_others() {
        for (cascade, alone, expected) in [(5000, true, 5000), (5000, false, 500), (10, true, 10), (10, false, 10)] {
            let limits = Limits {
                cascade,
                ..Limits::default()
            };
            assert_eq!(paced(limits, alone).cascade, expected, "{cascade} {alone}");
        }
    }
}
