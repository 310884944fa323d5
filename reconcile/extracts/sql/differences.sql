-- Every key that does not agree, into a file. A key that a spreadsheet would take for a formula begins with an apostrophe.
INSERT INTO FUNCTION file({into:String}, {into_format:String})
WITH replaceAll(states.key, '\x1f', ' / ') AS shown
SELECT
    if({quoted:Bool} AND match(shown, '^[=+\\-@\\t\\r]'), concat('\'', shown), shown) AS key, currency, {names:Array(String)}[place] AS state, left_records, right_records,
    left_amount, right_amount, difference, arrayStringConcat(unlike, ', ') AS fields
FROM ({states}) AS states
WHERE NOT agrees
ORDER BY abs(difference) DESC, shown, currency
