"""Matching of records by keys between systems: rules in files, groups by key, decisions as of any (V, K)."""
