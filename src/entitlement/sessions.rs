//! On how many devices and in how many processes a consumer uses its seats (ConcurrentSessions, `licensing.md` 2.3), and how
//! many leases it has at all. Which reason that is, and in which order it is asked, is for `decision`.

use crate::graph::{Anchored, Node};
use crate::model::schema::Hop;
use crate::model::{Time, rel};

use super::anchors::Anchors;
use super::decision::Wanted;
use super::distinct::Distinct;
use super::select;

const LEASES: Hop = Hop::forward(rel::LEASES);

/// Leases of one consumer on one license that have not ended; ours. Those beyond the first take no seat, so nothing else
/// bounds them: a client that calls its device by ever new names would fill the memory, and every decision about it
/// would walk them.
pub const LEASES_OF_ONE: usize = 10_000;

/// Has it as many leases as one may have? One that cools down is one still.
pub fn is_full(assignment: Node<'_>, now: Time) -> bool {
    // Ended ones are counted too: only of who has so many are the live ones walked.
    let live = || assignment.graph().leases(assignment, now).nth(LEASES_OF_ONE - 1);
    assignment.hop_count(LEASES) >= LEASES_OF_ONE && live().is_some()
}

/// Devices, or processes, as far as they are limited.
struct Used<'g> {
    /// Of one seat.
    each: Option<u64>,
    most: u64,
    met: Distinct<Option<&'g str>>,
}

impl<'g> Used<'g> {
    fn new(each: Option<u32>, seats: u64) -> Self {
        let each = each.map(u64::from);
        Self {
            each,
            most: each.map_or(u64::MAX, |each| each.saturating_mul(seats.max(1))),
            met: Distinct::default(),
        }
    }

    /// Is it one too many? None is one too.
    fn exceeds(&mut self, anchor: Option<&'g str>) -> bool {
        self.each.is_some() && {
            self.met.add(anchor);
            self.met.all().len() as u64 > self.most
        }
    }

    fn seats(&self) -> u64 {
        let met = self.met.all().len() as u64;
        self.each.map_or(1, |each| met.div_ceil(each.max(1)))
    }
}

/// How many seats this and the other devices and processes of the consumer take; `None`: more than so many. Looks no further than to
/// the first that is one too many.
pub fn needed<'g>(
    assignment: Node<'g>,
    anchors: Anchors,
    wanted: &Wanted<'g>,
    renews: Option<Node<'g>>,
    seats: u64,
    now: Time,
) -> Option<u64> {
    let (mut devices, mut processes) = (Used::new(anchors.hw, seats), Used::new(anchors.process, seats));
    // What a renewal does not say it has.
    let own = renews.map(|lease| Anchored::of(lease.entity()));
    let hw = wanted.hw.map(|hw| hw.id).or(own.and_then(|own| own.hw));
    let process = wanted.process.map(|process| process.id);
    let process = process.or(own.and_then(|own| own.process));
    if devices.exceeds(hw) || processes.exceeds(process) {
        return None;
    }
    let mut leases = assignment.graph().leases(assignment, now);
    let is_crowded = leases.any(|lease| {
        if select::is_released(&lease) || renews == Some(lease) {
            return false;
        }
        let tied = Anchored::of(lease.entity());
        devices.exceeds(tied.hw) || processes.exceeds(tied.process)
    });
    (!is_crowded).then(|| devices.seats().max(processes.seats()))
}
