//! Guards that tests take away to see that they notice. A server built without the feature `mutants`, as every release is, has
//! them all.

/// Whether `SEATGRAPH_MUTANT` names this guard.
#[cfg(feature = "mutants")]
pub(crate) fn mutant(guard: &str) -> bool {
    static MUTANT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    MUTANT.get_or_init(|| std::env::var("SEATGRAPH_MUTANT").ok()).as_deref() == Some(guard)
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn mutant(_guard: &str) -> bool {
    false
}
