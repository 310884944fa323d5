-- Views that follow tables of other databases; ours have no such sign in their names.
SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView' AND match(name, '^follow(_begun)?/')
