-- Columns of a table of another database, none when there is no such table or nobody may see it.
SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}
