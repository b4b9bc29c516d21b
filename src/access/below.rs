//! What hangs below an organization, and below a profile: `policy`, read downward. Gives all of a kind that can be visible to
//! a caller who does not see everything, and little else, at the cost of what is there and not of the world. Decides
//! nothing: what it gives is still asked for by `View::sees`.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::policy::{is_catalogue, is_personal};
use crate::graph::{Graph, Node};
use crate::model::schema::Hop;
use crate::model::{Direction, Kind, Rel, rel};

/// Where a way down begins.
#[derive(Clone, Copy, Debug)]
enum Root {
    Organization,
    /// The caller's profile.
    Own,
    /// All of a kind that is sold to everyone.
    Catalogue(Kind),
    /// Roles that are copied from.
    Templates,
}

/// A way down to a kind.
#[derive(Clone, Debug)]
struct Chain {
    root: Root,
    hops: Vec<Hop>,
}

/// By kind: the ways from an organization, and those from a profile.
static WAYS: LazyLock<Vec<(Vec<Chain>, Vec<Chain>)>> =
    LazyLock::new(|| Kind::ALL.iter().map(|kind| (placed(*kind), owned(*kind))).collect());

fn begin(root: Root) -> Vec<Chain> {
    vec![Chain { root, hops: Vec::new() }]
}

fn further(mut chains: Vec<Chain>, rel: Rel, direction: Direction) -> Vec<Chain> {
    for chain in &mut chains {
        chain.hops.push(Hop { rel, direction });
    }
    chains
}

/// The other reading of `policy::place`: each arm is one of its own.
fn placed(kind: Kind) -> Vec<Chain> {
    let children = |rel: Rel| further(placed(rel.def().from), rel, Direction::Forward);
    match kind {
        Kind::Token => Vec::new(),
        Kind::Organization => begin(Root::Organization),
        Kind::Profile => further(placed(Kind::ProfileGroup), rel::MEMBERSHIP, Direction::Backward),
        Kind::Person => further(placed(Kind::Profile), rel::PROFILES, Direction::Backward),
        kind if is_catalogue(kind) => begin(Root::Catalogue(kind)),
        Kind::OrganizationRole => {
            let mut chains = children(rel::ROLES);
            chains.extend(begin(Root::Templates));
            chains
        }
        Kind::TechnicalActor => children(rel::ACTORS),
        Kind::Entitlement => children(rel::ENTITLEMENTS),
        Kind::Assignment => children(rel::BY_LICENSE),
        kind => kind.owners().flat_map(children).collect(),
    }
}

/// The other reading of `policy::own`.
fn owned(kind: Kind) -> Vec<Chain> {
    let children = |rel: Rel| further(owned(rel.def().from), rel, Direction::Forward);
    match kind {
        Kind::Profile => begin(Root::Own),
        Kind::Person => further(begin(Root::Own), rel::PROFILES, Direction::Backward),
        kind if !is_personal(kind) => Vec::new(),
        Kind::Assignment => children(rel::BY_PROFILE),
        Kind::Consumption => children(rel::LEASES),
        kind => kind.owners().flat_map(children).collect(),
    }
}

type Level<'g> = Box<dyn Iterator<Item = Node<'g>> + 'g>;

/// Entities of a kind below an organization and a profile, in no order, some more than once; `None` for one on the way to them.
pub struct Below<'g> {
    graph: &'g Graph,
    organization: Option<Node<'g>>,
    own: Option<Node<'g>>,
    chains: SmallVec<[&'static Chain; 4]>,
    hops: &'static [Hop],
    levels: SmallVec<[Level<'g>; 6]>,
    /// A person is in many groups: what hangs below it is walked once a chain.
    people: HashSet<usize, RandomState>,
}

/// So many of a level tell how many the next has.
const SAMPLE: usize = 16;

/// What a walk down is thought to come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// All it meets, those on the way included.
    pub walked: f64,
    /// Those of the kind among them.
    pub given: f64,
    /// Those on which they hang.
    pub holders: f64,
}

/// A step of a walk that ends above what is looked for.
pub enum Above<'g> {
    OnTheWay,
    /// What is looked for hangs on it.
    Holder(Node<'g>, Hop),
    /// It is looked for itself.
    Given(Node<'g>),
}

impl<'g> Below<'g> {
    pub(super) fn new(graph: &'g Graph, organization: Option<Node<'g>>, own: Option<Node<'g>>, kind: Kind) -> Self {
        let (placed, owned) = &WAYS[kind as usize];
        let placed = organization.iter().flat_map(|_| placed);
        Self {
            graph,
            organization,
            own,
            chains: placed.chain(own.iter().flat_map(|_| owned)).collect(),
            hops: &[],
            levels: SmallVec::new(),
            people: HashSet::default(),
        }
    }

    /// About how many it meets and gives. Looks at a few of each level.
    pub fn about(&self) -> About {
        let mut about = About::default();
        for chain in &self.chains {
            let (mut size, first) = self.root(chain.root);
            let mut sample: SmallVec<[Node<'g>; SAMPLE]> = first.take(SAMPLE).collect();
            about.walked += size;
            for (at, hop) in chain.hops.iter().enumerate() {
                if at + 1 == chain.hops.len() {
                    about.holders += size;
                }
                let next: usize = sample.iter().map(|node| node.hop_count(*hop)).sum();
                size *= next as f64 / sample.len().max(1) as f64;
                about.walked += size;
                sample = sample
                    .iter()
                    .flat_map(|node| node.hop(*hop, None))
                    .map(|(node, _)| node)
                    .take(SAMPLE)
                    .collect();
            }
            about.given += size;
        }
        about
    }

    /// What holds them instead of them: from there they can be had in order.
    pub fn above(mut self) -> impl Iterator<Item = Above<'g>> {
        std::iter::from_fn(move || self.step(true))
    }

    fn step(&mut self, is_above: bool) -> Option<Above<'g>> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                let chain = self.chains.pop()?;
                self.hops = &chain.hops;
                self.people.clear();
                let (_, root) = self.root(chain.root);
                self.levels.push(root);
                continue;
            };
            let Some(node) = level.next() else {
                self.levels.pop();
                continue;
            };
            let Some(hop) = self.hops.get(self.levels.len() - 1) else {
                return Some(Above::Given(node));
            };
            let is_person = matches!(node.kind, Kind::Profile | Kind::Person);
            if !is_person || self.people.insert(node.slot()) {
                if is_above && self.levels.len() == self.hops.len() {
                    return Some(Above::Holder(node, *hop));
                }
                self.levels.push(Box::new(node.hop(*hop, None).map(|(node, _)| node)));
            }
            return Some(Above::OnTheWay);
        }
    }

    /// How many, and they themselves.
    fn root(&self, root: Root) -> (f64, Level<'g>) {
        let one = |node: Option<Node<'g>>| (node.iter().len() as f64, Box::new(node.into_iter()) as Level<'g>);
        match root {
            Root::Organization => one(self.organization),
            Root::Own => one(self.own),
            Root::Catalogue(kind) => (
                self.graph.kind_count(kind) as f64,
                Box::new(self.graph.of_kind(kind, None)),
            ),
            Root::Templates => {
                let kind = Kind::OrganizationRole;
                let Some(field) = kind.field("templateFor") else {
                    return one(None);
                };
                let graph = self.graph;
                let (from, to) = (Bound::Unbounded, Bound::Unbounded);
                (
                    graph.range_count(kind, field, from, to) as f64,
                    Box::new(graph.in_range(kind, field, from, to)),
                )
            }
        }
    }
}

impl<'g> Iterator for Below<'g> {
    type Item = Option<Node<'g>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.step(false)? {
            Above::Given(node) => Some(node),
            Above::OnTheWay | Above::Holder(..) => None,
        })
    }
}
