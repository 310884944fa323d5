-- Objects a person may mean by a text: a business key, `type:key`, a trace id, an exception id, or the id of an event.
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
    FROM exception_ids
    WHERE length(text) = 32 AND exception_id = lower(text) AND item_type != ''
    GROUP BY workflow, item_type, item_key
    UNION ALL
    -- An event is what a matching rule's leg of events has for an item: what it is about.
    SELECT e.workflow, if(has(e.objects.type, i.item), i.item, e.objects.type[1]), e.objects.key[greatest(indexOf(e.objects.type, i.item), 1)], 0
    FROM events AS e
    LEFT JOIN (
        SELECT workflow, JSONExtractString(argMax(content, activated_at), 'item') AS item FROM workflow_versions GROUP BY workflow
    ) AS i ON i.workflow = e.workflow
    WHERE length(text) = 32 AND notEmpty(e.objects.type) AND e.event_id IN (
        SELECT lower(text)
        UNION ALL
        SELECT item_key FROM exception_ids WHERE length(text) = 32 AND exception_id = lower(text) AND item_type = '')
)
GROUP BY workflow, object_type, object_key
ORDER BY events DESC, workflow, object_type, object_key
LIMIT 20
