-- A job can tell by one count whether facts came in behind its mark.
ALTER TABLE marks ADD COLUMN IF NOT EXISTS
    facts UInt64 COMMENT 'facts known up to the mark when it was set; more of them now means that some were stored late';
