//! What several tests share: a store that waits at a gate, and small things to do to a graph.

pub mod acts;
pub mod calls;
pub mod gate;
