-- The last commit of each transaction carries what the other tables add up to after it, so that no page is written for the
-- head alone. The table `head` tells it where no later commit does; it is brought up to date now and then, and when the
-- database is closed. Where the log begins is told by `head` alone.
ALTER TABLE commit_log ADD COLUMN totals BLOB NOT NULL DEFAULT x'';
