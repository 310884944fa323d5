"""What arrives: telemetry over OTLP, the business events derived from it, and imported files."""
