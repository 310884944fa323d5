-- A process that dies between an event and its index by object leaves one without the other. This drops index rows of
-- that moment without event, so that the event, when it comes again, is not there twice.
DELETE FROM event_objects
WHERE known_at = {known_at:DateTime64(6, 'UTC')}
    AND event_id NOT IN (SELECT event_id FROM events WHERE known_at = {known_at:DateTime64(6, 'UTC')})
