-- One span.
INSERT INTO otel_traces VALUES ('2026-11-19 08:00:01', '', '{"service.name": "erp"}', '{}');
