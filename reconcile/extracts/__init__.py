"""Two extracts of two systems compared as they are, before anything is set up."""
