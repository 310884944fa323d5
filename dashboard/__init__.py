"""The dashboard: a Streamlit process of its own that reads through the store's HTTP endpoint.

People act through the process that holds the store; the dashboard itself never writes.
"""
