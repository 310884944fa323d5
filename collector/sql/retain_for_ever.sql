-- The table keeps its rows again.
ALTER TABLE {table:Identifier} REMOVE TTL
