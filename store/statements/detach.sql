-- Takes a table away, with its files where they are
DETACH TABLE {table:Identifier} SYNC
