"""Keys are made comparable by one function of the store, whoever writes them."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.client import Store
from workflows.model import Normalisation

RULES = list(get_args(Normalisation))


def normalised(store: Store, key: str, rules: list[str]) -> str:
    return str(
        store.value("SELECT normalise_key({key:String}, {rules:Array(String)})", {"key": key, "rules": rules})
    )


@pytest.mark.parametrize(
    ("key", "rules", "expected"),
    [
        ("  PO 7 ", ["trim"], "PO 7"),
        ("\u00a0PO7\u2003\t", ["trim"], "PO7"),
        ("émetteur-ß", ["upper"], "ÉMETTEUR-SS"),
        ("ÉME", ["lower"], "éme"),
        ("0004711", ["strip_leading_zeros"], "4711"),
        ("000", ["strip_leading_zeros"], "0"),
        ("INV-12/34 ", ["strip_punctuation"], "INV1234"),
        (" 00-aB1 ", ["trim", "strip_punctuation", "upper", "strip_leading_zeros"], "AB1"),
        ("as it is", [], "as it is"),
    ],
)
def test_a_rule_does_what_its_name_says(store: Store, key: str, rules: list[str], expected: str) -> None:
    assert normalised(store, key, rules) == expected


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_the_workflow_model_is_known_to_the_function(store: Store, rule: str) -> None:
    """Each rule changes a text made so that all of them have something to do."""
    assert normalised(store, " 0aB-", [rule]) != " 0aB-" or rule == "strip_leading_zeros"
    assert normalised(store, "00aB-", [rule]) != "00aB-" or rule == "trim"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.text("aB0 -/\t\u00a0é7", max_size=8),
    rules=st.lists(st.sampled_from(RULES), max_size=4),
)
def test_the_chain_equals_its_rules_one_after_the_other(store: Store, key: str, rules: list[str]) -> None:
    steps = {
        "trim": lambda text: re.sub(r"^[\s\u00a0]+|[\s\u00a0]+$", "", text),
        "upper": str.upper,
        "lower": str.lower,
        "strip_leading_zeros": lambda text: re.sub(r"^0+(.)", r"\1", text),
        "strip_punctuation": lambda text: "".join(c for c in text if c.isalnum()),
    }
    expected = key
    for rule in rules:
        expected = steps[rule](expected)
    assert normalised(store, key, rules) == expected
