-- Facts known up to a moment: all there are, from metadata, less the few that are newer. What people decided
-- on matches is one too.
WITH toDateTime64({until:String}, 6, 'UTC') AS until
SELECT
    (SELECT count() FROM event_objects) - (SELECT count() FROM event_objects WHERE known_at > until)
    + (SELECT count() FROM object_links) - (SELECT count() FROM object_links WHERE known_at > until)
    + (SELECT count() FROM snapshots) - (SELECT count() FROM snapshots WHERE known_at > until)
    + (SELECT count() FROM match_acts) - (SELECT count() FROM match_acts WHERE known_at > until) AS facts
