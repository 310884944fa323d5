-- Columns of a table, none when there is no such table.
SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}
