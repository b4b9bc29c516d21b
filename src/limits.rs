//! Every bound of the server that can be set (`limits.page_max`, `SEATGRAPH_LIMITS__PAGE_MAX`); the error that enforces one
//! names it. Those that are fixed stand where they are held; `docs/running.md` lists those that callers meet.

use serde::Deserialize;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// For messages, settings and documentation: `(name, default)`.
            pub const ALL: &'static [(&'static str, u64)] = &[$((stringify!($name), $default)),*];

            $(
                /// As an error tells of it.
                pub fn $name(&self) -> Limit {
                    Limit { name: stringify!($name), value: self.$name }
                }
            )*

            /// By its name in the settings; false if no limit is called so.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

limits! {
    /// Bytes of a decoded selector. Checked before parsing: the parser's stack is bounded by it and by `nesting`.
    selector_bytes = 4096;
    /// Relation parts of a selector.
    selector_hops = 32;
    /// Comparisons in a selector.
    predicates = 64;
    /// Parentheses and `not`s within one another.
    nesting = 32;
    /// Relation parts of one include.
    include_hops = 5;
    /// Objects in an answer that asks for no number.
    page = 100;
    /// The most objects an answer may ask for.
    page_max = 1000;
    /// Entities and relations a query may visit, and so a read or an allocation of a door, `/leases`, available-licenses and
    /// DescribeConsumers; commits and changes that a page of `/audit` or of events looks at.
    visited = 1_000_000;
    /// Bytes of an answer.
    answer_bytes = 16 * 1024 * 1024;
    /// Milliseconds a query may take, and so all of `POST /checks`, and a page of `/audit` or of events.
    query_ms = 2000;
    /// Bytes of a JSON body.
    body_bytes = 1024 * 1024;
    /// Bytes of a line of an import, or of an element of its array. More than of a body: several fill an entity, which is one line.
    line_bytes = 16 * 1024 * 1024;
    /// Bytes of a form body.
    form_bytes = 64 * 1024;
    /// Arrays and objects within one another in a JSON body.
    json_depth = 64;
    /// Parameters in a query or form.
    parameters = 200;
    /// Passwords of one write: each is hashed, slowly on purpose. An import, which has its own permission, may bring more.
    passwords = 100;
    /// Characters that a password has at least. More is for the operator to ask for: clients of the API we follow know no such refusal.
    password_min = 1;
    /// Tokens that may wait to be signed by RS256; a request may ask for `items` of them.
    signatures = 1024;
    /// Items, or leases to release, of one request at `/authz`; licenses of one of Tizra's sessions.
    items = 100;
    /// Elements of one `POST /checks`; names that UiPath's `entitled` is asked about.
    checks = 1000;
    /// Events of checks that may wait to be stored; further ones are not told, and counted by a metric.
    check_events = 8192;
    /// Refused consumptions of one consumer that are told as events in ten seconds; further ones are answered alike, and counted by a metric.
    refusals = 100;
    /// Keys of metadata, or of properties, that one body of a door says. An import may bring more.
    metadata = 1000;
    /// Bytes of the lines of an import that is a dry run. They are held in memory, for they are one transaction.
    dry_bytes = 64 * 1024 * 1024;
    /// Lines of an import that is a dry run. Other writers wait for it, between one and two seconds for so many.
    dry_lines = 300_000;
    /// Bytes of what a client calls a device, a process, its version or a scope.
    anchor_bytes = 256;
    /// Bytes of answers longer than 64 KiB that clients have not taken yet. A caller has no more than half of what others leave.
    unread_bytes = 512 * 1024 * 1024;
    /// Bytes of answers to selectors that are remembered, of all workers together.
    remembered_bytes = 32 * 1024 * 1024;
    /// Streams of events that may be open.
    event_streams = 256;
    /// Matches a DELETE or an operation takes; entities and relations a DELETE may try to remove in a dry run; allocations of one
    /// call of UiPath's door; members of a group that ibl.ai's door assigns a license to.
    targets = 100_000;
    /// Entities and relations that one commit of a DELETE removes. One that takes more along is several commits, between
    /// which others write.
    cascade = 5000;
    /// Writes that may wait for the committer.
    queue = 4096;
    /// Bytes of answers to Idempotency-Keys that are held in memory for repeats; others are read from the database.
    replay_bytes = 64 * 1024 * 1024;
    /// Milliseconds a request waits for a revision it asked for, for the first request with its Idempotency-Key, or for its turn
    /// to read the log.
    wait_ms = 2000;
}

/// A bound that was met: its name in the settings, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub name: &'static str,
    pub value: u64,
}
