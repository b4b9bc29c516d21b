-- The hash chain over the commits. `chain` of a commit covers the `chain` of the one before it, its own columns and its
-- whole body; `words` is the highest number the dictionary had when the body was written.
ALTER TABLE commit_log ADD COLUMN words INTEGER NOT NULL DEFAULT 0;
ALTER TABLE commit_log ADD COLUMN chain BLOB NOT NULL DEFAULT x'';

-- The chain of the last commit, and of the last one that is forgotten, which the oldest one of the log hangs on.
ALTER TABLE head ADD COLUMN chain BLOB NOT NULL DEFAULT x'';
ALTER TABLE head ADD COLUMN forgotten_chain BLOB NOT NULL DEFAULT x'';
