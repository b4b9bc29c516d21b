-- The last commit of each transaction carries what the other tables add up to after it, so that no page is written for the
-- head alone. The table `head` tells it only where no later commit does: in a new database, after a migration, after a
-- large commit, and after a part of the log was dropped. What was dropped is told by `head` alone.
ALTER TABLE commit_log ADD COLUMN totals BLOB NOT NULL DEFAULT x'';
