//! What a model says where it says nothing, and numbers no lease can have.

use super::super::model::{self, LeaseTimes, Model, OverUse};
use super::*;

#[test]
fn a_license_without_a_model_follows_the_built_in_floating_one() {
    let world = World::new("License lic2 validFrom=0 active=true < ent editor");
    let found = |name| model::of_license(world.graph.find(id(name)).expect("a license"));
    assert_eq!(found("lic2"), Model::default());
    // And so does one whose model has no rules.
    assert_eq!(found("lic"), Model::default());
    assert_eq!(Model::default().lease, LeaseTimes::default());
}

#[test]
fn a_model_is_read_as_a_hub_too() {
    let mut world =
        World::new("VersionConstraint v minVersion=2 < model\nUtilizationConstraint u maxOveruseCount=3 < model");
    let before = model::of_model(world.graph.find(id("model")).expect("a model")).over_use;
    for number in 0..50 {
        world.tell(&format!(
            "License more{number} validFrom=0 active=true < ent editor model"
        ));
    }
    let model = model::of_model(world.graph.find(id("model")).expect("a model"));
    assert_eq!((before, model.over_use), (OverUse::Count(3), OverUse::Count(3)));
    assert_eq!(model.versions.and_then(|versions| versions.least), Some("2"));
}

#[test]
fn over_use_is_counted_without_overflow() {
    for (over_use, seats, expected) in [
        (OverUse::None, 10, 0),
        (OverUse::Percent(10), 19, 1),
        (OverUse::Percent(0), 10, 0),
        (OverUse::Percent(u64::MAX), u64::MAX, u64::MAX),
        (OverUse::Count(3), 0, 3),
    ] {
        assert_eq!(over_use.above(seats), expected, "{over_use:?} {seats}");
    }
}
