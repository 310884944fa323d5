"""The only folder that knows ClickHouse: client, migrations, HTTP endpoint, the data folder and its lock."""
