"""How people are told: one file a kind of receiver, with its settings, all behind one method."""
