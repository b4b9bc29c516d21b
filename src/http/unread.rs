//! Large answers on their way. What a client has not taken yet lies in memory, whole, for as long as it reads slowly; so all of it
//! has a bound (`limits.unread_bytes`), of which no caller has more than half of what others leave. Whoever has is refused further
//! large answers, and nothing else: small ones fit into what every connection has anyway.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::context::Caller;
use super::places::{Share, Shares};
use super::problem::Problem;
use crate::limits::{Limit, Limits};

/// What is longer counts, and goes to the connection in pieces of so many bytes, each when the one before has left.
const PIECE: usize = 64 * 1024;

pub(super) struct Unread {
    most: Limit,
    held: Arc<Shares<Caller>>,
}

impl Unread {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.unread_bytes(),
            held: Arc::new(Shares::new(limits.unread_bytes)),
        }
    }

    /// The answer, as it is sent. What nobody in particular asks for is the same for all, and lies in memory once. `is_told`: in
    /// any case, since it tells what was done, or why not.
    pub(super) fn hold(
        &self,
        caller: Option<Caller>,
        is_told: bool,
        response: HttpResponse,
    ) -> Result<HttpResponse, Problem> {
        let bytes = match response.body().size() {
            BodySize::Sized(bytes) if bytes > PIECE as u64 => bytes,
            _ => return Ok(response),
        };
        let share = match caller {
            None => None,
            Some(caller) if is_told => Some(self.held.hold(caller, bytes)),
            Some(caller) => Some(self.held.take(caller, bytes).ok_or_else(|| self.too_much())?),
        };
        Ok(response.map_body(|_, body| match body.try_into_bytes() {
            Ok(left) => BoxBody::new(Pieces { left, _share: share }),
            Err(body) => body,
        }))
    }

    fn too_much(&self) -> Problem {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tooMuchUnread",
            "too much of other answers is not read yet, of this caller or of all",
        );
        problem
            .limit(self.most)
            .help("read the answers that are open, or end their connections, and try again; or ask for less at once")
    }
}

struct Pieces {
    left: Bytes,
    _share: Option<Share<Caller>>,
}

impl MessageBody for Pieces {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = self.left.len().min(PIECE);
        Poll::Ready((piece > 0).then(|| Ok(self.left.split_to(piece))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::rt;
    use uuid::Uuid;

    use super::*;

    fn answer(length: usize) -> HttpResponse {
        let bytes: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
        HttpResponse::Ok().body(bytes)
    }

    #[test]
    fn an_answer_is_whole_and_counts_until_it_has_left() {
        let unread = Unread::new(&Limits {
            unread_bytes: 1_000_000,
            ..Limits::default()
        });
        let whose = |number| Some(Caller::Organization(Uuid::from_u128(number)));
        let hold = |caller, is_told, length| unread.hold(caller, is_told, answer(length));
        // Small ones are nobody's.
        let small: Vec<_> = (0..100).map(|_| hold(whose(1), false, PIECE).unwrap()).collect();
        let first = hold(whose(1), false, 400_000).unwrap();
        let problem = hold(whose(1), false, 200_000).unwrap_err();
        assert_eq!(
            (problem.status, problem.code),
            (StatusCode::SERVICE_UNAVAILABLE, "tooMuchUnread")
        );
        // Others have what it leaves, and what was done is told.
        let second = hold(whose(2), false, 300_000).unwrap();
        assert!(hold(whose(2), false, 100_000).is_err());
        let told = hold(whose(1), true, 2_000_000).unwrap();
        assert!(hold(whose(3), false, 100_000).is_err());
        assert!(hold(None, false, 10_000_000).is_ok());
        drop((small, told));
        rt::System::new().block_on(async {
            for (response, length) in [(first, 400_000), (second, 300_000)] {
                assert_eq!(response.body().size(), BodySize::Sized(length as u64));
                let read = to_bytes(response.into_body()).await.unwrap();
                assert!(read == to_bytes(answer(length).into_body()).await.unwrap());
            }
        });
        assert!(hold(whose(1), false, 900_000).is_ok());
    }
}
