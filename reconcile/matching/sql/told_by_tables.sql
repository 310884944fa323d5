-- Records as their systems tell of them, with the numbers that a table says of a code in them
SELECT
    * EXCEPT f,
    mapUpdate(f, mapFromArrays(lookups.name, arrayMap(l -> meaning_of(l.table,
        if(l.code.lookup = '', normalise_key(f[l.code.field], l.code.before), normalise_key(
            meaning_of(l.code.lookup, normalise_key(f[l.code.field], l.code.before), day, names, meanings), l.code.after)),
        day, names, meanings), lookups))) AS f
FROM counted
