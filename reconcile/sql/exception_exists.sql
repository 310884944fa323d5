-- Whether an expectation with this exception id was ever written.
SELECT count() > 0 AS known
FROM expectations
WHERE lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) = {id:String}
