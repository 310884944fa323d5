"""Evidence → expectations → verdicts → exceptions, as of any (V, K), each able to explain itself."""
