-- What a W3C baggage header says: names and values, without properties. A value may be percent-encoded.
CREATE OR REPLACE FUNCTION baggage_of AS (header) -> CAST(
    arrayFilter(
        pair -> pair.1 != '',
        arrayMap(
            member -> (
                trimBoth(splitByChar('=', member)[1]),
                decodeURLComponent(trimBoth(substring(member, position(member, '=') + 1)))),
            arrayFilter(
                member -> position(member, '=') > 0,
                arrayMap(member -> splitByChar(';', member)[1], splitByChar(',', header))))),
    'Map(String, String)');
