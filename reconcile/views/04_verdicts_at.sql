-- All expectations and all verdicts as of (V, K).
CREATE OR REPLACE VIEW expectations_at AS
SELECT * FROM expectations_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = []);

CREATE OR REPLACE VIEW verdicts_at AS
SELECT * FROM verdicts_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = []);
