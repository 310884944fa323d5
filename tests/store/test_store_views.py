"""Views that read views are created with the texts of those they call, and say the same."""

from __future__ import annotations

from pathlib import Path

from store import migrate
from store.client import Store
from store.views import bodies, flattened

INNER = "CREATE OR REPLACE VIEW inner_of AS\nSELECT number AS n, {word:String} AS w FROM numbers(5) WHERE n < {least:UInt8} OR has({some:Array(UInt8)}, n);\n"
OUTER = "CREATE OR REPLACE VIEW outer_of AS\nSELECT sum(n) AS s, any(w) AS w FROM inner_of(word = 'it''s', least = {most:UInt8}, some = []);\n"


def views(folder: Path) -> Path:
    (folder / "01_inner_of.sql").write_text(INNER)
    (folder / "02_outer_of.sql").write_text(OUTER)
    return folder


def test_a_call_becomes_the_text_of_the_view_with_its_arguments_in_it(tmp_path: Path) -> None:
    told = flattened(
        "SELECT * FROM outer_of(most = {top:UInt8}) WHERE s > least(1, 2)", bodies(views(tmp_path))
    )
    assert "_of(" not in told
    assert "{top:UInt8}" in told
    assert "CAST([], 'Array(UInt8)')" in told
    assert told.endswith("WHERE s > least(1, 2)")


def test_a_flat_view_says_what_the_views_it_is_made_of_say(store: Store, tmp_path: Path) -> None:
    assert migrate.replace_views(store, views(tmp_path)) == ["01_inner_of", "02_outer_of"]
    asked = store.one("SELECT * FROM outer_of(most = {most:UInt8})", {"most": 3})
    assert asked == {"s": 3, "w": "it's"}
    text = store.value("SELECT create_table_query FROM system.tables WHERE name = 'outer_of'")
    assert "inner_of" not in text
    for view in ("outer_of", "inner_of"):
        store.command("DROP VIEW {name:Identifier}", {"name": view})
