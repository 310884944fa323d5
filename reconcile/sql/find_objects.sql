-- Objects a person may mean by a text: a business key, `type:key`, a trace id, or an exception id.
WITH
    {text:String} AS text,
    splitByChar(':', text)[1] AS maybe_type,
    substring(text, length(maybe_type) + 2) AS rest
SELECT workflow, object_type, object_key, max(events) AS events
FROM (
    SELECT workflow, object_type, object_key, count() AS events
    FROM event_objects
    WHERE (object_key IN (text, upper(text)) OR (object_key = rest AND object_type = maybe_type))
    GROUP BY workflow, object_type, object_key
    UNION ALL
    SELECT e.workflow, e.object_type, e.object_key, count()
    FROM event_objects AS e
    WHERE e.trace_id = lower(text) AND length(text) = 32
    GROUP BY e.workflow, e.object_type, e.object_key
    UNION ALL
    SELECT workflow, to_type, to_key, 0
    FROM object_links
    WHERE to_key = text OR (to_key = rest AND to_type = maybe_type)
    GROUP BY workflow, to_type, to_key
    UNION ALL
    SELECT workflow, from_type, from_key, 0
    FROM object_links
    WHERE from_key = text OR (from_key = rest AND from_type = maybe_type)
    GROUP BY workflow, from_type, from_key
    UNION ALL
    SELECT workflow, item_type, item_key, 0
    FROM expectations
    WHERE length(text) = 32
        AND lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) = lower(text)
    GROUP BY workflow, item_type, item_key
    UNION ALL
    SELECT workflow, members.type[1] AS item_type, members.record[1] AS item_key, 0
    FROM matches
    WHERE length(text) = 32
        AND arrayExists(about -> lower(hex(sipHash128(workflow, rule, members.type[1], members.record[1], about))) = lower(text),
            arrayMap((rank, code, field) -> if(rank IN (1, 4), concat(code, ' ', field), toString(field)), points.rank, points.code, points.field))
    GROUP BY workflow, item_type, item_key
)
GROUP BY workflow, object_type, object_key
ORDER BY events DESC, workflow, object_type, object_key
LIMIT 20
