//! Since when nothing of a kind, and no relation of a type, was changed: what somebody made of them then is still so.
//!
//! Changes that were undone count too: this may say too much, and never too little.

use crate::model::{Kind, Rel, Revision, schema};

/// The revision each was changed for last, or an earlier one than that which nobody has seen.
#[derive(Clone)]
pub(super) struct Changed {
    kinds: Box<[Revision]>,
    relations: Box<[Revision]>,
}

impl Default for Changed {
    fn default() -> Self {
        Self {
            kinds: vec![0; Kind::ALL.len()].into(),
            relations: vec![0; schema::RELATIONS.len()].into(),
        }
    }
}

impl Changed {
    /// In what comes after this revision of the graph.
    pub fn kind(&mut self, kind: Kind, after: Revision) {
        self.kinds[kind as usize] = after + 1;
    }

    pub fn relation(&mut self, rel: Rel, after: Revision) {
        self.relations[usize::from(rel.0)] = after + 1;
    }

    pub fn has(&self, kinds: &[Kind], relations: &[Rel], since: Revision) -> bool {
        let kinds = kinds.iter().map(|kind| self.kinds[*kind as usize]);
        let relations = relations.iter().map(|rel| self.relations[usize::from(rel.0)]);
        kinds.chain(relations).any(|changed| changed > since)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::graph::small::{CLOCK, commit, rel, take};
    use crate::graph::transaction::Transaction;
    use crate::model::{Kind, Time};

    /// `Organization Entitlement`, `Organization>Entitlement`: what was changed since then.
    fn since(graph: &Graph, revision: u64) -> String {
        let kinds = [
            Kind::Organization,
            Kind::Entitlement,
            Kind::LicensedItem,
            Kind::ProductPackage,
        ];
        let relation = rel(Kind::Organization, Kind::Entitlement);
        let kinds = kinds
            .into_iter()
            .filter(|kind| graph.has_changed(&[*kind], &[], revision));
        let mut words: Vec<&str> = kinds.map(Kind::name).collect();
        if graph.has_changed(&[], &[relation], revision) {
            words.push("Organization>Entitlement");
        }
        words.join(" ")
    }

    #[test]
    fn it_says_what_was_changed_since() {
        let mut graph = Graph::new();
        for (revision, steps, changed) in [
            (1, "Organization acme", "Organization"),
            (
                2,
                "Entitlement gold, acme > gold",
                "Entitlement Organization>Entitlement",
            ),
            (3, "LicensedItem item", "LicensedItem"),
            (4, "Entitlement tin, acme > tin", "Entitlement Organization>Entitlement"),
            (5, "-- tin", "Entitlement Organization>Entitlement"),
        ] {
            commit(&mut graph, revision, steps).expect("a commit");
            assert_eq!(since(&graph, revision - 1), changed, "{steps}");
            assert_eq!(since(&graph, revision), "", "{steps}");
        }
        assert_eq!(since(&graph, 2), "Entitlement LicensedItem Organization>Entitlement");
    }

    #[test]
    fn what_was_undone_is_told_as_changed() {
        let mut graph = Graph::new();
        commit(&mut graph, 1, "Organization acme").expect("a commit");
        let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
        take(&mut transaction, "Organization other").expect("a step");
        transaction.abandon();
        assert_eq!(since(&graph, 1), "Organization");
        assert_eq!(since(&graph, 2), "");
    }
}
