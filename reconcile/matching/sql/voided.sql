-- Events of a leg that a later step of their item took away: gone from then on, as soon as both are known
    UNION ALL
    SELECT e.event_id, v.occurred_at, greatest(e.known_at, v.known_at) AS both_known_at, v.event_id, true, e.f
    FROM events_of_leg AS e
    INNER JOIN (
        SELECT event_id, object_key, occurred_at, known_at
        FROM event_objects
        WHERE workflow = {workflow:String} AND object_type = {item:String} AND step IN {void_by:Array(String)}
    ) AS v ON v.object_key = e.item_key
    WHERE v.occurred_at >= e.occurred_at AND both_known_at > mark AND both_known_at <= until
