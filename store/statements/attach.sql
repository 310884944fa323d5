-- Reads all files of a table anew
ATTACH TABLE {table:Identifier}
