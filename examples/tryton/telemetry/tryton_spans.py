"""Business keys on the spans of a Tryton server: which order, receipt, invoice or payment a call was about.

A WSGI middleware for Tryton's own configuration, loaded by it and importing nothing of it:

    [wsgi middleware]
    keys = tryton_spans.BusinessKeys
    otel = opentelemetry.instrumentation.wsgi.OpenTelemetryMiddleware

In the environment of the server: `TRYTON_SPANS_DATABASE=postgresql://reader:…@db.example/tryton`, a user that may read.

The span of a call gets the model and method as its name (`purchase.purchase.confirm`) and the numbers of the
documents as `tieout.object.<type>`. Clients tell ids, people and tieout know numbers, so they are looked up when the
call has ended: only then a draft has one. A call that cannot be understood keeps the span it has.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from opentelemetry import trace

Environ = dict[str, Any]
# A long list of ids is no business step of one document.
MOST_IDS = 100
# The numbers of documents by the ids that a call of the model names.
NUMBERS = {
    "purchase.purchase": ("order", "SELECT number FROM purchase_purchase WHERE id = ANY(%s)"),
    "stock.shipment.in": ("goods_receipt", "SELECT number FROM stock_shipment_in WHERE id = ANY(%s)"),
    "stock.shipment.in.return": ("goods_return", "SELECT number FROM stock_shipment_in_return WHERE id = ANY(%s)"),
    "account.invoice": ("invoice", "SELECT number FROM account_invoice WHERE id = ANY(%s)"),
    "account.payment": ("payment", "SELECT number FROM account_payment WHERE id = ANY(%s)"),
    "account.move.line": (
        "invoice",
        "SELECT i.number FROM account_move_line AS l JOIN account_invoice AS i ON i.move = l.move "
        "WHERE l.id = ANY(%s) AND i.number IS NOT NULL",
    ),
}  # fmt: skip
# Calls that change nothing, and that clients make all the time.
READING = frozenset(
    ("read", "search", "search_read", "search_count", "fields_get", "fields_view_get", "default_get")
)


class BusinessKeys:
    """Wraps Tryton's application; numbers are looked up in the database that the environment names."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app, self.database = app, os.environ["TRYTON_SPANS_DATABASE"]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = called(environ)
        answer = self.app(environ, start_response)
        if call is None:
            return answer
        body = joined(answer)
        span = trace.get_current_span()
        model, method, ids = call
        span.update_name(f"{model}.{method}")
        if refused(body):
            span.set_status(trace.StatusCode.ERROR)
        elif model in NUMBERS and method not in READING and ids:
            self._name_documents(span, model, ids)
        return [body]

    def _name_documents(self, span: trace.Span, model: str, ids: list[int]) -> None:
        kind, query = NUMBERS[model]
        try:
            with psycopg.connect(self.database, autocommit=True, connect_timeout=2) as connection:
                numbers = [number for (number,) in connection.execute(query, (ids,)) if number]
        except psycopg.Error:
            return
        if numbers:
            span.set_attribute(f"tieout.object.{kind}", numbers)


def called(environ: Environ) -> tuple[str, str, list[int]] | None:
    """Model, method and ids of a JSON-RPC call; None when it is something else. The body can be read again."""
    if environ.get("REQUEST_METHOD") != "POST" or "json" not in environ.get("CONTENT_TYPE", ""):
        return None
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        said = json.loads(body)
        kind, _, name = said["method"].partition(".")
        model, _, method = name.rpartition(".")
        first = said["params"][0] if said["params"] else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    ids = first if isinstance(first, list) else [first]
    numbers = [one for one in ids if isinstance(one, int) and not isinstance(one, bool)]
    return (model, method, numbers[:MOST_IDS]) if kind == "model" and model else None


def joined(answer: Iterable[bytes]) -> bytes:
    """All of an answer, which is told that it was read."""
    try:
        return b"".join(answer)
    finally:
        if close := getattr(answer, "close", None):
            close()


def refused(body: bytes) -> bool:
    """Whether Tryton answered with an error; it does so with status 200, and never packed, since it is short."""
    try:
        return "error" in json.loads(body)
    except (ValueError, TypeError):
        return False
