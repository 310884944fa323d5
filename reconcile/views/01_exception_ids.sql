-- Every exception there ever could be, of workflows and of matching rules: its id, and the item it is of.
CREATE OR REPLACE VIEW exception_ids AS
SELECT
    workflow, item_type, item_key,
    lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) AS exception_id
FROM expectations
UNION ALL
SELECT
    workflow, members.type[1] AS item_type, members.record[1] AS item_key,
    lower(hex(sipHash128(workflow, rule, item_type, item_key, if(rank IN (1, 4), concat(code, ' ', field), toString(field))))) AS exception_id
FROM matches
ARRAY JOIN points.rank AS rank, points.code AS code, points.field AS field;
