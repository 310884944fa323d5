"""Rules over published KPI figures, their state machine, and telling people: at least once, in order, never
twice by design.
"""
