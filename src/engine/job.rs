//! A write that waits: a closure of any error type, and where its answer goes, behind one object the committer can hold.

use tokio::sync::oneshot;

use super::{Reply, Write, WriteError, Written};
use crate::graph::{Transaction, Violation};

pub(super) trait Job: Send {
    fn write(&self) -> &Write;
    /// Calls the closure. `None`: it refused, and its word is kept here until it may be told.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Reply>;
    /// Tells the caller, who may have gone.
    fn answer(self: Box<Self>, outcome: Outcome);
}

/// What became of a job, but for the refusal's own words.
pub(super) enum Outcome {
    Written(Written),
    Refused,
    Violation(Violation),
    KeyReused,
    Unavailable(String),
    Unknown(String),
    Panicked,
}

pub(super) type Answer<E> = Result<Written, WriteError<E>>;

pub(super) struct Closure<E, F> {
    write: Write,
    run: Option<F>,
    refused: Option<E>,
    answer: oneshot::Sender<Answer<E>>,
}

impl<E, F> Closure<E, F>
where
    E: Send + 'static,
    F: FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
{
    pub(super) fn boxed(write: Write, run: F) -> (Box<dyn Job>, oneshot::Receiver<Answer<E>>) {
        let (answer, receiver) = oneshot::channel();
        (
            Box::new(Self {
                write,
                run: Some(run),
                refused: None,
                answer,
            }),
            receiver,
        )
    }
}

impl<E, F> Job for Closure<E, F>
where
    E: Send + 'static,
    F: FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
{
    fn write(&self) -> &Write {
        &self.write
    }

    fn run(&mut self, transaction: &mut Transaction<'_>) -> Option<Reply> {
        match self.run.take()?(transaction) {
            Ok(reply) => Some(reply),
            Err(refused) => {
                self.refused = Some(refused);
                None
            }
        }
    }

    fn answer(self: Box<Self>, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Written(written) => Ok(written),
            Outcome::Refused => Err(self.refused.map_or(WriteError::Panicked, WriteError::Refused)),
            Outcome::Violation(violation) => Err(WriteError::Violation(violation)),
            Outcome::KeyReused => Err(WriteError::KeyReused),
            Outcome::Unavailable(reason) => Err(WriteError::Unavailable(reason)),
            Outcome::Unknown(why) => Err(WriteError::Unknown {
                why,
                has_key: self.write.idempotency.is_some(),
            }),
            Outcome::Panicked => Err(WriteError::Panicked),
        };
        let _ = self.answer.send(answer);
    }
}
