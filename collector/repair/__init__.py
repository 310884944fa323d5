"""Makes an export request fit for the engine: the way of requests that the engine alone would refuse.

Nested and mixed values become their text, of equal attribute keys the last one stays, what cannot be kept is
taken out and counted. Everything else is left as it came. One module a signal; `common` has what they share.
"""
