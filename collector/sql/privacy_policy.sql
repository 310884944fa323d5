-- The policy that holds: the same choice as in the views that apply it.
SELECT policy, known_at
FROM privacy_rules
ORDER BY known_at DESC, policy DESC
LIMIT 1
