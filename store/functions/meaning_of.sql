-- What a table says a value means on a day, empty when it says nothing: `meaning_of('item_xref', 'A1', day, names, meanings)`.
-- `names` are constant texts `table\0value`, the first of them empty; `meanings` the (from, until, result) of each.
CREATE OR REPLACE FUNCTION meaning_of AS (lookup, value, day, names, meanings) -> arrayFirst(
    m -> m.1 <= day AND day < m.2,
    meanings[transform(concat(lookup, '\0', value), names, range(1, length(names) + 1), toUInt64(1))]
).3;
