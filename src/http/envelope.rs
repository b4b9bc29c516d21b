//! The envelope in which writes and operations answer (`graph-api.md` 2.5 and 2.7), as it is written: inside the
//! transaction, so it ends where the answer is too long. Then nothing is written.

use uuid::Uuid;

use super::wire;
use crate::access::Who;
use crate::engine::Reply;
use crate::error::Error;
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{Change, Kind};
use crate::operation::crud;
use crate::query::{Budget, QueryError};

/// Objects an answer shows of those a write touched (`graph-api.md` 2.5).
pub const SHOWN: usize = 1000;

pub struct Envelope {
    out: Vec<u8>,
    budget: Budget,
}

impl Envelope {
    /// Of a success: `result` is its type, `CreateResult`.
    pub fn new(result: &str, limits: &Limits) -> Self {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"{\"__objType\":\"");
        out.extend_from_slice(result.as_bytes());
        out.extend_from_slice(b"\",\"resultCode\":\"Success\"");
        Self {
            out,
            budget: Budget::new(limits),
        }
    }

    pub fn count(&mut self, count: u64) {
        self.member("count", |out| out.extend_from_slice(count.to_string().as_bytes()));
    }

    /// One more member. The name needs no escapes.
    pub fn member(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(&mut self.out);
    }

    pub fn objects<T>(
        &mut self,
        objects: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) -> Result<(), Error> {
        self.out
            .extend_from_slice(b",\"objects\":{\"__objType\":\"ArrayList\",\"Items\":[");
        list(&mut self.out, objects, write, &self.budget)?;
        self.out.extend_from_slice(b"]}");
        Ok(())
    }

    /// `changes`: those of a dry run.
    pub fn finish(mut self, changes: Option<&[Change]>) -> Result<Reply, Error> {
        if let Some(changes) = changes {
            self.out.push(b',');
            dry_run(&mut self.out, changes, &self.budget)?;
        }
        self.out.push(b'}');
        Ok(Reply::new(200, self.out))
    }
}

fn fits(budget: &Budget, length: usize) -> Result<(), Error> {
    budget.answered(length).map_err(|error| {
        QueryError {
            help: Some("nothing was written: write fewer objects in one request".to_owned()),
            ..error
        }
        .into()
    })
}

/// Items with commas between them, for as long as the answer fits.
fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
    budget: &Budget,
) -> Result<(), Error> {
    let items = items.into_iter();
    // Room for most objects at once: it grows by copying.
    out.reserve(items.size_hint().0.min(SHOWN) * 640);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
        fits(budget, out.len())?;
    }
    Ok(())
}

/// What a dry run says beside its answer.
fn dry_run(out: &mut Vec<u8>, changes: &[Change], budget: &Budget) -> Result<(), Error> {
    out.extend_from_slice(b"\"dryRun\":true,\"changes\":[");
    list(out, changes, wire::change, budget)?;
    out.push(b']');
    Ok(())
}

/// What a dry run would have done, at the end of `body`, which is an object; within what an answer may have.
pub fn tell_changes(body: &mut Vec<u8>, changes: &[Change], limits: &Limits) -> Result<(), Error> {
    body.pop();
    if body.last() != Some(&b'{') {
        body.push(b',');
    }
    dry_run(body, changes, &Budget::new(limits))?;
    body.push(b'}');
    Ok(())
}

/// An answer that is nothing else.
pub fn dry(tx: &mut Transaction<'_>, who: &Who, limits: &Limits) -> Result<Reply, Error> {
    let mut body = b"{}".to_vec();
    tell_changes(&mut body, &crud::told(tx, who).changes, limits)?;
    Ok(Reply::new(200, body))
}

/// All there is to tell of an object that is gone, or that the caller may not read.
pub fn named(out: &mut Vec<u8>, (kind, id): (Kind, Uuid)) {
    out.extend_from_slice(format!("{{\"__objType\":\"{}\",\"id\":\"{id}\"}}", kind.name()).as_bytes());
}
