"""What we go and ask: probes read business state from systems and write what changed."""
