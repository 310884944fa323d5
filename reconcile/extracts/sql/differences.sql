-- Every key that does not agree, into a file. A key that a spreadsheet would take for a formula begins with an apostrophe.
INSERT INTO FUNCTION file({into:String}, {into_format:String})
SELECT
    if({quoted:Bool} AND match(key, '^[=+\\-@\\t\\r]'), concat('\'', key), key) AS key, currency, state, left_records, right_records,
    left_amount, right_amount, difference, arrayStringConcat(unlike, ', ') AS fields
FROM ({states})
WHERE NOT startsWith(state, 'agree')
ORDER BY abs(difference) DESC, key, currency
