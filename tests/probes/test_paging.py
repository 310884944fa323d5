"""Finding a value inside an answer."""

from __future__ import annotations

from typing import Any

import pytest

from probes.paging import find

BODY: dict[str, Any] = {
    "value": [1, 2],
    "d": {"results": [{"id": 7}], "__next": "u"},
    "@odata.nextLink": "n",
    "a.b": {"c.d": "deep"},
    "link": [{"relation": "self", "url": "s"}, {"relation": "next", "url": "x"}],
    "empty": None,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", BODY),
        ("value", [1, 2]),
        ("value.1", 2),
        ("value.7", None),
        ("value.x", None),
        ("d.results", [{"id": 7}]),
        ("d.results.0.id", 7),
        ("@odata.nextLink", "n"),
        ("a.b.c.d", "deep"),
        ("link[relation=next].url", "x"),
        ("link[relation=last].url", None),
        ("empty", None),
        ("empty.more", None),
        ("nowhere.at.all", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(path: str, expected: Any) -> None:
    assert find(BODY, path) == expected
