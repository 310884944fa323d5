-- Decisions of matching rules on some records (all, when `items` is empty) as of (V, K): of each key what held last by V as
-- known at K, by the rule version that decided then, or by `version` when it is named. What a later key still tries is left out.
CREATE OR REPLACE VIEW matches_of AS
WITH
active AS (
    SELECT rule, argMax(version, activated_at) AS version
    FROM matching_versions AS known
    WHERE if({version:String} = '', known.activated_at <= {known_at:DateTime64(6, 'UTC')}, known.version = {version:String})
    GROUP BY rule
),
newest AS (
    SELECT rule, version, pass, group_key, max((occurred_at, known_at, evidence)) AS newest_version
    FROM matches
    WHERE occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        AND (rule, version) IN (SELECT rule, version FROM active)
        AND (empty({items:Array(String)}) OR (rule, version, pass, group_key) IN (
            SELECT rule, version, pass, group_key FROM matches WHERE hasAny(members.record, {items:Array(String)})))
    GROUP BY rule, version, pass, group_key
)
SELECT *
FROM matches
WHERE final AND verdict != 'none'
    AND (rule, version, pass, group_key, (occurred_at, known_at, evidence)) IN (
        SELECT rule, version, pass, group_key, newest_version FROM newest);

CREATE OR REPLACE VIEW matches_at AS
SELECT * FROM matches_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '');
