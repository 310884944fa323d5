"""The dashboard: a Streamlit process of its own that reads through the store's HTTP endpoint and never writes."""
