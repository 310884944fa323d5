-- Newest business time that any of some sources is complete through, as known at K; null when none ever said.
SELECT maxOrNull(complete_through) AS complete_through
FROM watermarks
WHERE source IN {sources:Array(String)} AND known_at <= {known_at:DateTime64(6, 'UTC')}
