-- A business key made comparable by the rules of its object type, applied in the order given:
-- `normalise_key(key, ['trim', 'upper'])`. Whoever writes a key (imports, spans, probes) uses this function.
--   trim                 white space at both ends goes, also the no-break kind that spreadsheets leave
--   upper, lower         case, for all alphabets
--   strip_leading_zeros  0004711 is 4711, and 000 is 0
--   drop:x               the text x goes wherever it stands
--   strip_punctuation    everything but letters and digits goes: INV-12/34 is INV1234
CREATE OR REPLACE FUNCTION normalise_key AS (key, rules) -> arrayFold(
    (text, rule) -> multiIf(
        rule = 'trim', replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', ''),
        rule = 'upper', upperUTF8(text),
        rule = 'lower', lowerUTF8(text),
        rule = 'strip_leading_zeros', replaceRegexpOne(text, '^0+(.)', '\\1'),
        startsWith(rule, 'drop:'), replaceAll(text, substring(rule, 6), ''),
        rule = 'strip_punctuation', replaceRegexpAll(text, '[^\\p{L}\\p{N}]', ''),
        text
    ),
    rules,
    toString(key)
);
