//! What the server counts of itself, in the OpenMetrics text form. No label names a tenant, a token or an id.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::engine::Engine;

macro_rules! routes {
    ($($name:ident $text:literal;)*) => {
        /// The routes as metrics name them. A path that is none of them is `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Route { $($name),* }

        /// In the order of the enum.
        const ROUTES: &[&str] = &[$($text),*];
    };
}

routes! {
    GraphRead "graph_read";
    GraphWrite "graph_write";
    Authz "authz";
    Checks "checks";
    Leases "leases";
    Available "available_licenses";
    Tokens "tokens";
    Keys "keys";
    WellKnown "well_known";
    Audit "audit";
    Events "events";
    EventFeed "event_feed";
    Transactions "transactions";
    Import "import";
    Export "export";
    Backup "backup";
    Documents "documents";
    Health "health";
    Metrics "metrics";
    Door "door";
    Other "other";
}

type Labels = [(&'static str, &'static str); 2];
type Label = [(&'static str, &'static str); 1];

/// One counter for each route and class of status, made at start: a request only adds to it.
pub struct Metrics {
    registry: Registry,
    requests: Vec<[Counter<u64, AtomicU64>; 5]>,
    seconds: Vec<Histogram>,
    pub panics: Counter<u64, AtomicU64>,
    checks_granted: Counter<u64, AtomicU64>,
    checks_refused: Counter<u64, AtomicU64>,
    pub check_events_lost: Counter<u64, AtomicU64>,
    pub refusals_not_told: Counter<u64, AtomicU64>,
    pub remembered: Counter<u64, AtomicU64>,
}

impl Metrics {
    pub fn new(engine: Engine) -> Self {
        let mut registry = Registry::with_prefix("seatgraph");
        let requests = Family::<Labels, Counter<u64, AtomicU64>>::default();
        registry.register(
            "http_requests",
            "Requests answered, by route and class of status",
            requests.clone(),
        );
        let buckets = || Histogram::new(exponential_buckets(0.000_05, 3.0, 12));
        let seconds = Family::<Label, Histogram>::new_with_constructor(buckets);
        registry.register(
            "http_request_seconds",
            "Time from the request's head to its answer",
            seconds.clone(),
        );
        let panics = Counter::default();
        registry.register(
            "panics",
            "Requests that ended in a panic and were answered 500",
            panics.clone(),
        );
        let checks = Family::<Label, Counter<u64, AtomicU64>>::default();
        registry.register(
            "checks",
            "Checks of licenses, which take none, by what came of them",
            checks.clone(),
        );
        let outcome = |outcome: &'static str| checks.get_or_create(&[("outcome", outcome)]).clone();
        let check_events_lost = Counter::default();
        registry.register(
            "check_events_lost",
            "Checks whose events found no room while they waited to be stored",
            check_events_lost.clone(),
        );
        let refusals_not_told = Counter::default();
        registry.register(
            "refusals_not_told",
            "Refused consumptions that were answered and not stored as events, since their consumer had too many",
            refusals_not_told.clone(),
        );
        let remembered = Counter::default();
        registry.register(
            "answers_remembered",
            "Selectors that were answered with the bytes of an earlier answer, which was still right",
            remembered.clone(),
        );
        registry.register_collector(Box::new(EngineCollector(engine)));
        let classes = |route: &'static str| {
            ["1xx", "2xx", "3xx", "4xx", "5xx"]
                .map(|class| requests.get_or_create(&[("route", route), ("status", class)]).clone())
        };
        Self {
            requests: ROUTES.iter().map(|route| classes(route)).collect(),
            seconds: ROUTES
                .iter()
                .map(|route| seconds.get_or_create(&[("route", *route)]).clone())
                .collect(),
            checks_granted: outcome("granted"),
            checks_refused: outcome("refused"),
            check_events_lost,
            refusals_not_told,
            remembered,
            registry,
            panics,
        }
    }

    pub fn count_checks(&self, granted: u64, refused: u64) {
        // Most requests have one check: what was not met is not touched.
        for (counter, more) in [(&self.checks_granted, granted), (&self.checks_refused, refused)] {
            if more > 0 {
                counter.inc_by(more);
            }
        }
    }

    pub fn count(&self, route: Route, status: u16, took: Duration) {
        let class = usize::from((status / 100).clamp(1, 5)) - 1;
        self.requests[route as usize][class].inc();
        self.seconds[route as usize].observe(took.as_secs_f64());
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

/// Figures the engine keeps anyway, read when asked for.
struct EngineCollector(Engine);

impl std::fmt::Debug for EngineCollector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("EngineCollector")
    }
}

impl Collector for EngineCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (entities, relations, revision) = {
            let graph = self.0.snapshot();
            (graph.len(), graph.relation_count(), graph.revision())
        };
        let health = self.0.health();
        let gauges: [(&str, &str, i64); 8] = [
            ("graph_entities", "Entities in the published graph", entities as i64),
            ("graph_relations", "Relations in the published graph", relations as i64),
            ("graph_revision", "Revision of the published graph", revision as i64),
            (
                "graph_copies",
                "Copies of the graph in memory: two, and more because of slow readers, until they are not needed for ten seconds",
                health.copies as i64,
            ),
            (
                "write_queue_length",
                "Writes that wait for the committer",
                health.queue as i64,
            ),
            (
                "ready",
                "1 while the server takes reads and writes",
                i64::from(health.ready()),
            ),
            (
                "clock_behind_seconds",
                "How far the system's clock is behind the last commit, after it was set back; until it comes up no time passes",
                self.0.behind().div_ceil(1000) as i64,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory of the process",
                resident_bytes(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counters: [(&str, &str, u64); 3] = [
            ("commits", "Writes committed by this process", health.commits),
            ("commit_batches", "Storage transactions those took", health.batches),
            (
                "graph_clones",
                "Times a slow reader made the committer copy the graph",
                health.copies_cloned,
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let help = "Time of the batches of writes, by what it went to";
        let mut family = encoder.encode_descriptor("commit_seconds", help, None, MetricType::Counter)?;
        for (phase, spent) in health.spent {
            let counter = ConstCounter::new(spent.as_secs_f64());
            counter.encode(family.encode_family(&[("phase", phase.name())])?)?;
        }
        Ok(())
    }
}

/// From the kernel's own account of the process; 0 where there is none.
fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<i64>().ok())
        .unwrap_or_default()
        * 1024
}
