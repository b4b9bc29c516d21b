//! What to remove first of a cascade that is too large for one commit: from the leaves upward, so that the graph fits
//! together after each part. Each part goes down the first path that has something to give, and looks at no more than
//! a few times as much as it gives; where it is in the tree is not remembered, since others write in between.

use std::cmp::Reverse;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::model::schema::Hop;
use crate::model::{Direction, Kind, Rel, RelationType};

use super::cascade::doomed;
use super::{Graph, Node};

/// A part of a cascade, without what it is the cascade of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These children of one go with all that goes with them, and are together no more than the limit.
    Entities { children: Vec<Uuid> },
    /// It is closed before any part of it goes.
    Open { of: Uuid },
    /// This one goes too, but has more relations than fit: these of them, by which neither end hangs on the other.
    Relations {
        of: Uuid,
        relations: Vec<(Rel, Uuid, Uuid)>,
    },
}

impl Graph {
    /// `earliest` are the ways to what goes, or is cut off, before anything else of one of a kind; `is_open` is asked of each from
    /// which or beneath which something is taken off. `None`: nothing can be. Then the entity is gone, or hangs on its parents and
    /// has nothing else.
    pub fn part_of_cascade(
        &self,
        first: Uuid,
        limit: usize,
        earliest: fn(Kind) -> &'static [Hop],
        is_open: impl Fn(Node<'_>) -> bool,
    ) -> Option<Part> {
        let mut at = self.find(first)?;
        // Of a parent that goes with its last child, that child is not cut off: it would stay.
        let mut above = None;
        loop {
            if is_open(at) {
                return Some(Part::Open { of: at.id });
            }
            let (owned, beside): (SmallVec<[Hop; 4]>, SmallVec<[Hop; 4]>) =
                earliest(at.kind).iter().copied().partition(is_to_child);
            let (children, _) = fitting(at, &owned, limit);
            if !children.is_empty() {
                return Some(Part::Entities { children });
            }
            if beside.iter().any(|hop| at.hop_count(*hop) > 0) {
                return Some(cut(at, &beside, limit));
            }
            let below = below(at.kind);
            let children: usize = below.iter().map(|hop| at.hop_count(*hop)).sum();
            let is_deep = below.iter().any(|hop| depth(hop.to()) > 0 && at.hop_count(*hop) > 0);
            let loose = loose(at.kind, above);
            // Many at once, or the last that can be taken off: a few go with the entity itself. Not while the children have
            // children: an entitlement that nobody is let into any more still has the reservations of those who were.
            let ends: usize = loose
                .iter()
                .map(|hop| at.hop_count(*hop).saturating_sub(kept(*hop)))
                .sum();
            if ends > children && !is_deep && (ends > limit / 2 || children == 0) {
                return Some(cut(at, &loose, limit));
            }
            let (children, large) = fitting(at, &below, limit);
            if !children.is_empty() {
                return Some(Part::Entities { children });
            }
            at = match large {
                Some(child) => child,
                None if above.is_some() => return None,
                None => {
                    let (rel, parent) = goes_with_last(at)?;
                    above = Some(rel);
                    parent
                }
            };
        }
    }
}

/// The first children that fit together; or else the first of all, which does not.
fn fitting<'g>(at: Node<'g>, below: &[Hop], limit: usize) -> (Vec<Uuid>, Option<Node<'g>>) {
    let (mut part, mut room) = (Vec::new(), limit);
    for (child, _) in below.iter().flat_map(|hop| at.hop(*hop, None)) {
        let Some(doomed) = doomed(at.graph(), &[child.slot() as u32], Some(room)) else {
            return (part, Some(child));
        };
        part.push(child.id);
        room -= doomed.size();
    }
    (part, None)
}

/// The ways to the children that go with one of this kind. Those below which most may hang come first: what refers to them
/// from beside (the group of a license's users) would be changed for each of them otherwise, and is only to go itself.
fn below(kind: Kind) -> SmallVec<[Hop; 16]> {
    let mut hops: SmallVec<[Hop; 16]> = children(kind).collect();
    hops.sort_by_key(|hop| Reverse(depth(hop.to())));
    hops
}

fn children(kind: Kind) -> impl Iterator<Item = Hop> {
    kind.hops().iter().copied().filter(is_to_child)
}

fn is_to_child(hop: &Hop) -> bool {
    hop.direction == Direction::Forward && hop.rel.def().cascades()
}

fn depth(kind: Kind) -> usize {
    children(kind).map(|hop| 1 + depth(hop.to())).max().unwrap_or(0)
}

/// The ways along which nothing hangs on the other end.
fn loose(kind: Kind, above: Option<Rel>) -> SmallVec<[Hop; 16]> {
    let is_loose = |hop: &&Hop| {
        let def = hop.rel.def();
        let is_child = hop.direction == Direction::Forward && !def.cascades() && above != Some(hop.rel);
        def.relation_type != RelationType::OneToMany || is_child
    };
    kind.hops().iter().filter(is_loose).copied().collect()
}

/// How many of them stay until the entity itself goes. A profile is one of an organization's people by its groups, and a
/// person by its profiles (`access::policy`): without the last of them whoever began would not be let go on.
fn kept(hop: Hop) -> usize {
    let def = hop.rel.def();
    let reaches = def.relation_type == RelationType::Membership || def.last_child_takes_parent;
    usize::from(reaches && hop.direction == Direction::Forward)
}

fn cut(at: Node<'_>, loose: &[Hop], limit: usize) -> Part {
    let ends = loose.iter().flat_map(|hop| {
        let far = at.hop(*hop, None).skip(kept(*hop));
        far.map(|(far, _)| match hop.direction {
            Direction::Forward => (hop.rel, at.id, far.id),
            Direction::Backward => (hop.rel, far.id, at.id),
        })
    });
    Part::Relations {
        of: at.id,
        relations: ends.take(limit).collect(),
    }
}

/// The parent that goes when this child does.
fn goes_with_last(child: Node<'_>) -> Option<(Rel, Node<'_>)> {
    let mut hops = child.kind.hops().iter();
    hops.find_map(|hop| {
        if hop.direction == Direction::Forward || !hop.rel.def().last_child_takes_parent {
            return None;
        }
        let parent = child.parent(hop.rel)?;
        (parent.hop_count(Hop::forward(hop.rel)) == 1).then_some((hop.rel, parent))
    })
}

#[cfg(test)]
mod tests {
    use super::super::small::{commit, id, name};
    use super::*;
    use crate::model::schema::known;

    fn told(part: Option<Part>) -> String {
        let part = part.map(|part| match part {
            Part::Entities { children } => children.into_iter().map(name).collect::<Vec<_>>().join(" "),
            Part::Open { of } => format!("{} is open", name(of)),
            Part::Relations { of, relations } => format!("{} of {}", relations.len(), name(of)),
        });
        part.unwrap_or_else(|| "nothing".to_owned())
    }

    fn part(graph: &Graph, first: &str, limit: usize, earliest: fn(Kind) -> &'static [Hop]) -> Option<Part> {
        graph.part_of_cascade(id(first), limit, earliest, |_| false)
    }

    #[test]
    fn a_part_is_of_the_leaves_and_fits() {
        let mut graph = Graph::new();
        let mut steps = "Organization acme, ProfileGroup staff, acme > staff, Property colour, acme > colour, LicensedItem app,
            Entitlement gold, acme > gold, gold > staff, Person smith, Profile ann, smith > ann, ann > staff, Profile cay,
            Person jones, Profile eve, jones > eve, Profile fay, jones > fay, Organization bolt,
            Organization cord, ProfileGroup crew, cord > crew, ann > crew, Entitlement iron, cord > iron, License m, iron > m,
            app > m"
            .to_owned();
        for n in 0..3 {
            steps += &format!(
                ",License l{n}, gold > l{n}, app > l{n}, LicenseScope s{n}, l{n} > s{n}, LicenseScope t{n}, l{n} > t{n}"
            );
        }
        for n in 0..9 {
            steps += &format!(
                ",Profile p{n}, p{n} > staff, iron > p{n}, EmailAndPassword e{n}, smith > e{n}, EmailAndPassword f{n}, jones > f{n}"
            );
        }
        commit(&mut graph, 1, &steps).unwrap();
        for (first, limit, expected) in [
            // What may have most below it comes first; a license is seven with its scopes and relations.
            ("acme", 100, "gold staff colour"),
            ("acme", 25, "gold"),
            ("acme", 23, "l0 l1 l2"),
            ("acme", 20, "l0 l1"),
            ("acme", 8, "l0"),
            ("acme", 6, "s0 t0"),
            ("acme", 3, "s0"),
            ("l1", 6, "s1 t1"),
            ("l1", 3, "s1"),
            // Nothing is below a group but its relations.
            ("staff", 8, "8 of staff"),
            ("staff", 20, "11 of staff"),
            // Of an entitlement the licenses come first, however many are let into it.
            ("iron", 8, "m"),
            // One way by which it is in reach stays.
            ("ann", 5, "1 of ann"),
            ("jones", 5, "f0 f1"),
            // The last profile takes its person along, and nobody else does.
            ("eve", 5, "nothing"),
            ("smith", 5, "e0 e1"),
            ("cay", 8, "nothing"),
            ("bolt", 8, "nothing"),
            ("nobody", 8, "nothing"),
        ] {
            assert_eq!(told(part(&graph, first, limit, |_| &[])), expected, "{first} {limit}");
        }
        // What goes earliest does on the way down, at whatever depth the way ends.
        let scopes: fn(Kind) -> &'static [Hop] = |kind| match kind {
            Kind::License => {
                const {
                    &[Hop::forward(known(
                        RelationType::OneToMany,
                        Kind::License,
                        Kind::LicenseScope,
                    ))]
                }
            }
            _ => &[],
        };
        commit(
            &mut graph,
            2,
            "Assignment a0, l0 > a0, cay > a0, Consumption c0, a0 > c0, Consumption c1, a0 > c1",
        )
        .unwrap();
        assert_eq!(told(part(&graph, "l0", 6, |_| &[])), "c0 c1");
        assert_eq!(told(part(&graph, "acme", 6, scopes)), "s0 t0");
        assert_eq!(told(part(&graph, "l0", 3, scopes)), "s0");
        commit(&mut graph, 3, "-- s0, -- t0").unwrap();
        assert_eq!(told(part(&graph, "l0", 6, scopes)), "c0 c1");
        // So does what is cut off earliest, though there is more that could be.
        let opened: fn(Kind) -> &'static [Hop] = |kind| match kind {
            Kind::ProfileGroup => {
                const {
                    &[Hop::backward(known(
                        RelationType::LicenseConsumerRelation,
                        Kind::Entitlement,
                        Kind::ProfileGroup,
                    ))]
                }
            }
            _ => &[],
        };
        assert_eq!(told(part(&graph, "staff", 8, opened)), "1 of staff");
        // Only what does not go whole is closed, and from the top.
        let of = |kinds: &'static [Kind]| move |node: Node<'_>| kinds.contains(&node.kind);
        for (limit, kinds, expected) in [
            (6, &[Kind::License][..], "l0 is open"),
            (6, &[Kind::License, Kind::Entitlement], "gold is open"),
            (25, &[Kind::License], "l0 l1 l2"),
        ] {
            let part = graph.part_of_cascade(id("acme"), limit, |_| &[], of(kinds));
            assert_eq!(told(part), expected, "{limit}");
        }
        commit(&mut graph, 4, "ann x staff, -- m").unwrap();
        assert_eq!(told(part(&graph, "ann", 5, |_| &[])), "e0 e1");
        assert_eq!(told(part(&graph, "iron", 8, |_| &[])), "8 of iron");
        let logins = (0..9).map(|n| format!("-- f{n}")).collect::<Vec<_>>().join(", ");
        commit(&mut graph, 5, &logins).unwrap();
        assert_eq!(told(part(&graph, "jones", 5, |_| &[])), "1 of jones");
    }
}
