"""X12: interchanges of segments, read whatever they carry, with every count and control number checked."""
