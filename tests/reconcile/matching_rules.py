"""Rules and records for tests of matching, in short words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from reconcile.matching.model import MatchingRule
from reconcile.matching.records import Decision, Record

START = date(2026, 3, 1)


def rule(**changes: Any) -> MatchingRule:
    """Bank lines against ledger lines by account and amount, unless `changes` say otherwise."""
    said: dict[str, Any] = {
        "rule": "bank",
        "title": "Bank and ledger",
        "workflow": "cash",
        "owner": "treasury",
        "legs": {
            "bank": {"type": "bank_line", "fields": {"account": "account", "amount": "@amount"}},
            "ledger": {"type": "ledger_line", "fields": {"account": "account", "amount": "@amount"}},
        },
        "keys": [{"fields": ["account"], "method": "pair"}],
        "numbers": {"amount": {}},
        "compare": {"amount": {"field": "amount", "means": "amount", "expected": "bank", "actual": "ledger"}},
    }
    return MatchingRule.model_validate({**said, **changes})


def subset(**changes: Any) -> MatchingRule:
    return rule(keys=[{"fields": ["account"], "method": "subset"}], **changes)


def group(**changes: Any) -> MatchingRule:
    return rule(keys=[{"fields": ["account"]}], **changes)


def tolerant(limit: Mapping[str, Any], method: str = "pair", **changes: Any) -> MatchingRule:
    amount = {
        "field": "amount",
        "means": "amount",
        "expected": "bank",
        "actual": "ledger",
        "over": limit,
        "under": limit,
    }
    return rule(compare={"amount": amount}, keys=[{"fields": ["account"], "method": method}], **changes)


def order_rule(**changes: Any) -> MatchingRule:
    """An order, its receipts and its invoices: quantities of receipts and invoices, price of order and invoices."""
    fields = {"po": "po", "quantity": "quantity", "price": "price"}
    said: dict[str, Any] = {
        "legs": {
            "po": {"type": "order_line", "fields": fields},
            "receipt": {"type": "receipt_line", "fields": fields, "many": True},
            "invoice": {"type": "invoice_line", "fields": fields, "many": True},
        },
        "keys": [{"fields": ["po"]}],
        "numbers": {"quantity": {}, "price": {}},
        "compare": {
            "quantity": {"field": "quantity", "means": "quantity", "expected": "receipt", "actual": "invoice"},
            "price": {
                "field": "price", "means": "price", "expected": "po", "actual": "invoice",
                "over": {"pct": 2}, "under": {"any": True},
            },
        },
    }  # fmt: skip
    return rule(**{**said, **changes})


def record(leg: str, key: str, *numbers: str | int | None, day: int = 0, **more: Any) -> Record:
    """A record `day` days after the start."""
    on = START + timedelta(days=day)
    at = datetime(on.year, on.month, on.day, tzinfo=UTC)
    values = tuple(None if number is None else Decimal(str(number)) for number in numbers)
    return Record(leg, key, at, on, values, **{"currency": "USD", **more})


def told(decisions: list[Decision]) -> list[tuple[str, tuple[str, ...]]]:
    """Verdict and keys of each decision, comparable."""
    return sorted((one.verdict, tuple(sorted(r.key for r in one.records))) for one in decisions)
