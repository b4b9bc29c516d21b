//! Sales that are written, taken back, and properties of what is sold to whom.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::account::{self, Given, Property};
use super::look::{self, Object, Sold};
use super::session::{self, Entered, Session};
use super::{SaleError, license, own_site};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::sale::{self, Buyer, Sale};
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{Kind, Time};
use crate::operation::crud::{self, Deleted, Undeleted};

/// What is sold, without for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    pub offer: String,
    /// A property and values of which it has one, in place of the offer's own item.
    pub matching: Option<(String, Vec<String>)>,
    /// `None`: those of the offer.
    pub properties: Option<Vec<(String, String)>>,
}

/// A sale that is asked for: to the user of a name, made when there is none, or for a user set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sell {
    pub site: String,
    pub user: Option<String>,
    pub set: String,
    pub spec: Spec,
}

/// A write that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Sell(Sell),
    Begin(Session),
    Edit {
        site: String,
        object: String,
        update: Update,
    },
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub license: Option<Sold>,
    pub session: Option<Entered>,
    /// As it is then, for who may see it.
    pub object: Option<Object>,
}

impl Change {
    /// As the audit has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sell(_) => "SellLicense",
            Self::Begin(_) => "BeginSession",
            Self::Edit { .. } => "SetProperties",
        }
    }

    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who, limits: &Limits) -> Result<Done, SaleError> {
        let mut done = Done::default();
        match self {
            Self::Sell(wanted) => done.license = Some(wanted.run(tx, who)?),
            Self::Begin(wanted) => done.session = Some(session::enter(tx, who, wanted, limits)?),
            Self::Edit { site, object, update } => done.object = edit(tx, who, site, object, update)?,
        }
        Ok(done)
    }
}

impl Sell {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<Sold, SaleError> {
        who.require(license(Action::Create))?;
        let site = own_site(tx.graph(), who, &self.site)?;
        // What cannot be sold makes nobody.
        super::offer(tx.graph(), &self.spec.offer)?;
        let site_id = site.id;
        let buyer = match &self.user {
            Some(name) => Buyer::Profile(account::find_or_make(tx, who, site_id, name)?),
            None => Buyer::Set(super::set(site, &self.set)?.id),
        };
        let id = made(tx, site_id, buyer, &self.spec, None)?;
        let made = tx.node(id)?;
        let view = View::new(tx.graph(), who);
        Ok(look::sold(made, |buyer| view.sees(buyer), tx.now()))
    }
}

/// One license of a session, or one that lasts.
pub(super) fn made(
    tx: &mut Transaction<'_>,
    site: Uuid,
    buyer: Buyer,
    spec: &Spec,
    session: Option<(&str, Time)>,
) -> Result<Uuid, SaleError> {
    let offer = super::offer(tx.graph(), &spec.offer)?.id;
    let values = spec
        .matching
        .as_ref()
        .map(|(property, values)| (property, account::list_text(values)));
    let sale = Sale {
        offer,
        organization: site,
        buyer,
        matching: values
            .as_ref()
            .map(|(property, values)| (property.as_str(), values.as_str())),
        properties: spec.properties.as_deref(),
        name: session.map(|(name, _)| name),
        for_session: session.is_some(),
        until: session.map(|(_, until)| until),
    };
    sale::sell(tx, &sale).map_err(|why| SaleError::NotSold {
        offer: spec.offer.clone(),
        why,
    })
}

/// As the audit has it.
pub const TAKES_BACK: &str = "TakeLicenseBack";

/// Takes one back that was sold, with all that hangs on it, unless others gave somebody a seat of it that has not ended.
pub fn take_back(
    tx: &mut Transaction<'_>,
    who: &Who,
    site: &str,
    text: &str,
    limits: &Limits,
    dry_run: bool,
) -> Result<Deleted, Undeleted<SaleError>> {
    let found = sold_by(tx, who, site, text)?;
    crud::delete_found(tx, who, &[found], None, Some(sale::may_be_taken_back), limits, dry_run)
        .map_err(|undeleted| undeleted.worded(SaleError::from))
}

fn sold_by(tx: &Transaction<'_>, who: &Who, site: &str, text: &str) -> Result<Uuid, SaleError> {
    who.require(license(Action::Delete))?;
    Ok(super::sold(own_site(tx.graph(), who, site)?, text)?.id)
}

/// What is done to properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// They are these; others stay.
    Set(Vec<Property>),
    /// Lists have these values too.
    Add(Vec<(String, Vec<String>)>),
    /// Lists have these values no longer.
    Take(Vec<(String, Vec<String>)>),
}

const EDITS: [Permission; 3] = [
    Permission::Kind(Kind::Property, Action::Create),
    Permission::Kind(Kind::Property, Action::Update),
    Permission::Kind(Kind::Property, Action::Delete),
];

fn edit(
    tx: &mut Transaction<'_>,
    who: &Who,
    site: &str,
    text: &str,
    update: &Update,
) -> Result<Option<Object>, SaleError> {
    // Before anything is told of an object: whoever writes no property at all edits none.
    if !EDITS.into_iter().any(|edits| who.may(edits)) {
        who.require(EDITS[1])?;
    }
    if !matches!(update, Update::Set(_)) {
        who.require(Permission::Kind(Kind::Property, Action::Read))?;
    }
    let object = look::find(tx.graph(), who, site, text)?;
    let (id, had) = (object.id, account::properties(object));
    View::new(tx.graph(), who).owns(object)?;
    let (lists, adds) = match update {
        Update::Set(properties) => {
            account::set(tx, who, id, properties)?;
            (&[][..], false)
        }
        Update::Add(lists) => (&lists[..], true),
        Update::Take(lists) => (&lists[..], false),
    };
    let mut known: HashMap<&str, &Given> = HashMap::new();
    for property in &had {
        known.entry(&property.key).or_insert(&property.value);
    }
    let mut changed = Vec::new();
    for (key, values) in lists {
        let list = match known.get(key.as_str()) {
            // Nothing is taken from what is not there, nor does adding nothing make it.
            None | Some(Given::Nothing) if !adds || values.is_empty() => continue,
            None | Some(Given::Nothing) => &[],
            Some(Given::List(list)) => list.as_slice(),
            Some(Given::Text(_)) => return Err(SaleError::NoList(key.clone())),
        };
        let list: Vec<String> = match adds {
            true => {
                let mut has: HashSet<&String> = list.iter().collect();
                let added = values.iter().filter(|value| has.insert(value));
                list.iter().cloned().chain(added.cloned()).collect()
            }
            false => {
                let gone: HashSet<&String> = values.iter().collect();
                list.iter().filter(|value| !gone.contains(value)).cloned().collect()
            }
        };
        let value = Given::List(list);
        changed.push(Property {
            key: key.clone(),
            value,
        });
    }
    account::set(tx, who, id, &changed)?;
    let node = tx.node(id)?;
    let seen = View::new(tx.graph(), who).sees(node);
    Ok(seen.then(|| look::shown(node, tx.now())))
}

/// Kinds that are objects here: users, what is sold, and offers of it.
pub(super) const OBJECTS: [Kind; 3] = [Kind::Profile, Kind::LicensedItem, Kind::ProductPackage];
