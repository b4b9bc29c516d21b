-- The head: where the log stands, and what the other tables must add up to. `forgotten` is the revision before the
-- oldest commit of the log; `digest` is the sum of the checksums of all rows of entity, relation and replay.
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    next_serial INTEGER NOT NULL,
    forgotten INTEGER NOT NULL,
    entities INTEGER NOT NULL,
    relations INTEGER NOT NULL,
    replays INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- The names of kinds, fields and relations as rows hold them.
CREATE TABLE word (
    code INTEGER PRIMARY KEY,
    word TEXT NOT NULL UNIQUE,
    checksum INTEGER NOT NULL
) STRICT;

-- The current state. Serials grow, so new rows go to the end of each tree.
CREATE TABLE entity (
    serial INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE relation (
    to_serial INTEGER NOT NULL,
    rel INTEGER NOT NULL,
    from_serial INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (to_serial, rel, from_serial)
) STRICT, WITHOUT ROWID;

-- The log. `at` and `operation` repeat what the body says, for people who look with a shell.
CREATE TABLE commit_log (
    revision INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- What follows the first piece of a body too large for one row.
CREATE TABLE commit_more (
    revision INTEGER NOT NULL,
    part INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (revision, part)
) STRICT, WITHOUT ROWID;

-- Answers kept for an Idempotency-Key, by the revision of their commit, so that the oldest are at one end.
CREATE TABLE replay (
    revision INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
