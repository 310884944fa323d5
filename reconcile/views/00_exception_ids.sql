-- Every exception that expectations and decisions of matching rules may be, and the item it is of. The id is a stable hash of
-- the workflow, the rule, the item and what opened it.
CREATE OR REPLACE VIEW exception_ids AS
SELECT
    workflow, expectation, item_type, item_key,
    lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) AS exception_id, opened_at, due_at
FROM expectations
UNION ALL
SELECT
    workflow, rule AS expectation, members.type[1] AS item_type, members.record[1] AS item_key,
    lower(hex(sipHash128(workflow, expectation, item_type, item_key, point.1))) AS exception_id, opened_at, point.2 AS due_at
FROM matches
ARRAY JOIN arrayMap(
    (rank, code, field, due) -> (if(rank IN (1, 4), concat(code, ' ', field), toString(field)), due),
    points.rank, points.code, points.field, points.due_at) AS point;
