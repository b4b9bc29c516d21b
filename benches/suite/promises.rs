//! What a release must reach, and what was measured of it. Each is a ratio or a figure of one run.

use super::kinds::REMEMBERED;
use super::results::{Results, short};

pub struct Promise {
    pub figure: String,
    pub wanted: String,
    pub measured: String,
    /// None where it was not measured.
    pub kept: Option<bool>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// All of them; of what is promised at one size, at that of a million or the largest below it.
pub fn all(results: &Results) -> Vec<Promise> {
    let sizes = &results.machine.sizes;
    let at = sizes
        .iter()
        .copied()
        .filter(|size| *size <= 1_000_000)
        .max()
        .or(sizes.first().copied())
        .unwrap_or_default();
    let largest = sizes.last().copied().unwrap_or_default();
    let smallest = sizes.first().copied().unwrap_or_default();
    let value = |figure: &str, side: &str, name: &str| results.value(figure, side, at, name);
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?).filter(|ratio| ratio.is_finite());
    let mut all = Vec::new();
    let mut promise = |figure: &str, unit: &str, bound: Bound, measured: Option<f64>| {
        let (wanted, kept) = match bound {
            Bound::AtLeast(wanted) => (
                format!("≥ {}{unit}", short(wanted)),
                measured.map(|value| value >= wanted),
            ),
            Bound::AtMost(wanted) => (
                format!("≤ {}{unit}", short(wanted)),
                measured.map(|value| value <= wanted),
            ),
        };
        all.push(Promise {
            figure: figure.to_owned(),
            wanted,
            measured: measured.map_or("—".to_owned(), |value| format!("{}{unit}", short(value))),
            kept,
        });
    };
    for figure in ["check", "fetch by id"] {
        let share = ratio(value(figure, "ours", "rate"), value(figure, "bare", "rate"));
        promise(
            &format!("{figure}: share of the bare handler's throughput"),
            "",
            Bound::AtLeast(0.85),
            share,
        );
        let more = value(figure, "ours", "cpu_us")
            .zip(value(figure, "bare", "cpu_us"))
            .map(|(ours, bare)| ours - bare);
        promise(
            &format!("{figure}: processor time beyond the bare handler's"),
            " µs",
            Bound::AtMost(7.0),
            more,
        );
        promise(
            &format!("{figure}: p99 at 32 connections"),
            " ms",
            Bound::AtMost(4.0),
            value(figure, "ours", "p99_ms"),
        );
    }
    let list = "three-hop list";
    for (figure, rows, wanted) in [
        (list, "20, made anew", 0.8),
        (REMEMBERED, "20, asked again", 0.8),
        ("three-hop list of ten", "about ten, made anew", 0.7),
    ] {
        promise(
            &format!("three-hop list of {rows}: share of the bare handler's throughput"),
            "",
            Bound::AtLeast(wanted),
            ratio(value(figure, "ours", "rate"), value(figure, "bare", "rate")),
        );
    }
    for (figure, wanted) in [("check", 3.5), (list, 2.0), ("durable create", 1.8)] {
        let times = ratio(value(figure, "ours", "rate"), value(figure, "postgres", "rate"));
        promise(
            &format!("{figure}: times PostgreSQL's throughput"),
            "",
            Bound::AtLeast(wanted),
            times,
        );
    }
    let batches = value("checks, 100 a request", "ours", "rate");
    promise(
        "checks in batches of 100",
        " a second",
        Bound::AtLeast(500_000.0),
        batches,
    );
    for figure in ["durable create", "consume"] {
        let share = ratio(value(figure, "ours", "rate"), value(figure, "bare", "rate"));
        promise(
            &format!("{figure}: share of a bare handler with group commit"),
            "",
            Bound::AtLeast(0.75),
            share,
        );
        let alone = format!("{figure}, one connection");
        let times = ratio(value(&alone, "ours", "p50_ms"), value(&alone, "bare", "p50_ms"));
        promise(
            &format!("{figure}: p50 at one connection, times the bare handler's"),
            "",
            Bound::AtMost(1.25),
            times,
        );
    }
    let creates = value("durable create", "ours", "rate");
    promise(
        "consume: share of the rate of durable creates",
        "",
        Bound::AtLeast(0.5),
        ratio(value("consume", "ours", "rate"), creates),
    );
    promise(
        "consume with an EdDSA token: share of one without",
        "",
        Bound::AtLeast(0.8),
        ratio(
            value("consume, .jwt, EdDSA", "ours", "rate"),
            value("consume, .json", "ours", "rate"),
        ),
    );
    let many = results
        .records
        .iter()
        .any(|record| record.figure == "consume, many leases");
    if many {
        let times = ratio(
            value("checks while leases end", "ours", "p99_ms"),
            value("checks before leases end", "ours", "p99_ms"),
        );
        let figure = "checks while 100,000 leases end in a minute: times the p99 before";
        promise(figure, "", Bound::AtMost(2.0), times);
        for figure in ["check", "consume"] {
            let times = ratio(
                value(&format!("{figure}, many leases"), "ours", "cpu_us"),
                value(&format!("{figure}, few leases"), "ours", "cpu_us"),
            );
            let figure = format!("{figure} with many live leases: times the processor time with few");
            promise(&figure, "", Bound::AtMost(1.3), times);
        }
    }
    let creates = "creates in batches";
    let share = ratio(value(creates, "ours", "rate"), value(creates, "sqlite", "rate"));
    promise(
        "creates: share of what SQLite commits in batches of that size",
        "",
        Bound::AtLeast(0.8),
        share,
    );
    let alone = value("durable create, one connection", "ours", "rate");
    promise(
        "creates at 64 connections: times those at one",
        "",
        Bound::AtLeast(8.0),
        ratio(value(creates, "ours", "rate"), alone),
    );
    let times = ratio(
        value("checks beside writers", "ours", "p99_ms"),
        value("checks without writers", "ours", "p99_ms"),
    );
    promise(
        "checks beside writers at half of their full rate: times the p99 without",
        "",
        Bound::AtMost(2.0),
        times,
    );
    for other in ["a slow reader", "slow queries", "an import", "a backup"] {
        let beside = value(&format!("consume beside {other}"), "ours", "p99_ms");
        let times = ratio(beside, value("consume alone", "ours", "p99_ms"));
        promise(
            &format!("consume beside {other}: times the p99 without"),
            "",
            Bound::AtMost(2.0),
            times,
        );
    }
    if at == 1_000_000 {
        promise(
            "import of 1,000,000 entities",
            " s",
            Bound::AtMost(12.0),
            value("import", "ours", "seconds"),
        );
    }
    let start = results.value("start", "ours", largest, "rate");
    promise(
        "start: entities and relations",
        " a second",
        Bound::AtLeast(500_000.0),
        start,
    );
    let each = results.value("memory", "ours", largest, "bytes_each");
    promise(
        "resident memory, for each entity and relation",
        " bytes",
        Bound::AtMost(200.0),
        each,
    );
    if smallest != largest {
        let worst = growths(results)
            .into_iter()
            .max_by(|one, other| one.1.total_cmp(&other.1));
        let figure = worst.as_ref().map_or("growth of a request".to_owned(), |(figure, _)| {
            format!(
                "processor time a request from {} to {}, the worst ({figure})",
                short(smallest as f64),
                short(largest as f64)
            )
        });
        promise(&figure, " times", Bound::AtMost(1.3), worst.map(|(_, times)| times));
    }
    all
}

/// Kinds of requests with how much more one costs in the largest world than in the smallest.
pub fn growths(results: &Results) -> Vec<(String, f64)> {
    let (Some(smallest), Some(largest)) = (results.machine.sizes.first(), results.machine.sizes.last()) else {
        return Vec::new();
    };
    let mut growths: Vec<(String, f64)> = Vec::new();
    for record in results
        .records
        .iter()
        .filter(|record| record.side == "ours" && record.size == *largest)
    {
        let before = results
            .value(&record.figure, "ours", *smallest, "cpu_us")
            .filter(|cost| *cost > 0.0);
        if let (Some(after), Some(before)) = (record.values.get("cpu_us").filter(|cost| **cost > 0.0), before)
            && growths.iter().all(|(figure, _)| *figure != record.figure)
        {
            growths.push((record.figure.clone(), after / before));
        }
    }
    growths
}
