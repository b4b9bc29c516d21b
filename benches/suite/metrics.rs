//! What the server says of itself: `/metrics`, by name.

use super::support::Server;

impl Server {
    pub fn metrics(&self) -> Metrics {
        Metrics(String::from_utf8(self.get("/metrics")).expect("text"))
    }
}

pub struct Metrics(String);

impl Metrics {
    pub fn value(&self, name: &str) -> f64 {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
    }
}
