"""One `.sql` file a KPI, its typed header, and the runner that publishes figures to `kpi_values`."""
