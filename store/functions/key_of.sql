-- The business key of a record: its columns, each made comparable by `rules`, joined by `/`; empty when one of them is.
CREATE OR REPLACE FUNCTION key_of AS (fields, columns, rules) -> if(
    has(arrayMap(c -> normalise_key(fields[c], rules), columns), ''), '',
    arrayStringConcat(arrayMap(c -> normalise_key(fields[c], rules), columns), '/')
);
