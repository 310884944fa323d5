-- Rows of the tables that only grow; answered from metadata. The same numbers mean that nothing came.
SELECT
    (SELECT count() FROM event_objects) AS events,
    (SELECT count() FROM object_links) AS links,
    (SELECT count() FROM snapshots) AS states
