"""What the pages show, read through one cached client. Every query is a file of `queries/` with bound parameters.

Answers for a pair (V, K) hold for good, so they are kept for minutes; what asks for the newest is kept for seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from calendars.periods import PeriodSpan, periods_of
from core.clock import Clock, SystemClock
from core.errors import ConfigurationError
from dashboard.names import PROJECT, TOKEN, URL
from kpis.kpi import Kpi
from kpis.load import SHIPPED, load_kpis
from kpis.run import compute
from reconcile.causes import SameHop, Segment, by_hop, by_segment
from reconcile.explain import Explanation, explain, find
from reconcile.items import events_of, with_items
from reconcile.matching.backtest import Backtest, compared, tried_versions
from reconcile.matching.explain import near as near_records
from reconcile.matching.explain import window_of
from reconcile.matching.hand import LAST, HandAction, HandDecision
from reconcile.matching.model import MatchingRule
from reconcile.matching.results import suggestions
from reconcile.matching.run import hand_of
from store.client import Store
from store.sqlfile import read
from workflows.load import load_workflows
from workflows.model import Workflow

QUERIES = Path(__file__).parent / "queries"


Row = dict[str, Any]

# The edge where the time is read; tests put a clock of their own here.
clock: Clock = SystemClock()


def store() -> Store:
    """The one handle of this process; it only reads. Raises StoreUnavailableError or ConfigurationError."""
    url = os.environ.get(URL)
    if not url:
        raise ConfigurationError(f"{URL} is not set; the dashboard is started by `tieout up`")
    return _open(url, os.environ.get(TOKEN))


@st.cache_resource(show_spinner=False)
def _open(url: str, token: str | None) -> Store:
    return Store(url, token=token, read_only=True)


@st.cache_data(ttl="5m", max_entries=400, show_spinner=False)
def rows(name: str, **parameters: Any) -> list[Row]:
    """The rows of `queries/<name>.sql`, for questions about a pair (V, K). Raises StoreError."""
    return store().rows(read(QUERIES / f"{name}.sql"), parameters)


@st.cache_data(ttl="10s", max_entries=200, show_spinner=False)
def newest(name: str, **parameters: Any) -> list[Row]:
    """The rows of `queries/<name>.sql`, for questions about the present. Raises StoreError."""
    return store().rows(read(QUERIES / f"{name}.sql"), parameters)


@st.cache_data(ttl="5m", max_entries=100, show_spinner=False)
def exceptions(workflow: str, **parameters: Any) -> list[Row]:
    """A page of the work list, each row with what people call its item. Raises StoreError."""
    asked = {"workflow": workflow, **parameters}
    return named(workflow, store().rows(read(QUERIES / "exceptions.sql"), asked))


def named(workflow: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Exceptions, each with what people call its `item`, and `about_type` and `about_key` of the object. Raises StoreError."""
    return with_items(store(), workflows()[workflow], rows)


@st.cache_data(ttl="5m", max_entries=100, show_spinner=False)
def events(workflow: str, ids: tuple[str, ...]) -> dict[str, Row]:
    """Those of `ids` that are events, by id; what there is of each stands at `reconcile.items.events_of`. Raises StoreError."""
    return events_of(store(), workflows()[workflow], ids)


@st.cache_data(ttl="5m", max_entries=40, show_spinner=False)
def periods(calendar: str, known_at: datetime) -> dict[str, PeriodSpan]:
    """The fiscal periods of a calendar by name, in order; none without a calendar. Raises StoreError."""
    return periods_of(store(), calendar, known_at) if calendar else {}


def workflows() -> dict[str, Workflow]:
    """The processes watched: the rules in force as the store knows them, and files of the project not yet in force."""
    known = {
        row["workflow"]: Workflow.model_validate_json(row["active_content"]) for row in newest("workflows")
    }
    return {**_declared(), **known}


@st.cache_data(ttl="1m", max_entries=4, show_spinner=False)
def _declared() -> dict[str, Workflow]:
    project = os.environ.get(PROJECT)
    folder = Path(project) / "workflows" if project else None
    return load_workflows(folder)[0] if folder and folder.is_dir() else {}


@st.cache_resource(ttl="10m", show_spinner=False)
def kpis() -> dict[str, Kpi]:
    """The KPIs by id: those shipped, and those of the project."""
    project = os.environ.get(PROJECT)
    folders = [SHIPPED, *([Path(project) / "kpis"] if project else [])]
    return load_kpis([folder for folder in folders if folder.is_dir()])[0]


@st.cache_data(ttl="5m", max_entries=200, show_spinner=False)
def figures(
    kpi: str,
    version: str,  # noqa: ARG001 - part of what the answer is kept by
    workflow: str,
    as_of: datetime,
    known_at: datetime,
    window_start: datetime,
) -> list[Row]:
    """The totals of one KPI (of the `version` given), worked out now for any pair (V, K). Raises StoreError."""
    return compute(store(), kpis()[kpi], workflow, "", as_of, known_at, window_start)


@st.cache_data(ttl="30s", max_entries=200, show_spinner=False)
def hits(text: str) -> list[Row]:
    """Objects a text may mean: workflow, object_type, object_key, events; best first. Raises StoreError."""
    return find(store(), text)


@st.cache_data(ttl="5m", max_entries=100, show_spinner=False)
def story(
    workflow: str,
    version: str,  # noqa: ARG001 - part of what the answer is kept by
    object_type: str,
    object_key: str,
    as_of: datetime,
    known_at: datetime,
) -> Explanation:
    """Everything known of one object as of (V, K); `version` is that of the rules. Raises StoreError."""
    return explain(store(), workflows(), workflow, object_type, object_key, as_of, known_at)


@st.cache_data(ttl="5m", max_entries=50, show_spinner=False)
def causes(workflow: str, as_of: datetime, known_at: datetime) -> tuple[list[SameHop], list[Segment]]:
    """What open exceptions have in common as of (V, K): hops, and segments. Raises StoreError."""
    asked = workflow, as_of, known_at
    # Most of their time goes into planning, which takes one core each.
    with store().another() as own, ThreadPoolExecutor(max_workers=1) as beside:
        hops = beside.submit(by_hop, own, *asked)
        segments = by_segment(store(), *asked)
        return hops.result(), segments


@st.cache_data(ttl="10s", max_entries=100, show_spinner=False)
def by_hand(rule: str, record: str, known_at: datetime) -> list[HandDecision]:
    """What people decided by K on matches of a rule with this record, the oldest first. Raises StoreError."""
    decisions = hand_of(store(), rule, known_at).decisions().values()
    return [one for one in decisions if any(key == record for _, key in one.members)]


@st.cache_data(ttl="5m", max_entries=100, show_spinner=False)
def near(rule: str, version: str, record: str, as_of: datetime, known_at: datetime) -> list[Row]:
    """Records that nearly belong to one, the nearest first, as `reconcile.matching.explain.near` gives them. Raises StoreError."""
    content = _rule(rule, version)
    return near_records(store(), content, version, record, as_of, known_at) if content else []


@st.cache_data(ttl="5m", max_entries=100, show_spinner=False)
def window(
    rule: str,
    version: str,
    leg: str,
    members: tuple[tuple[str, str], ...],
    as_of: datetime,
    known_at: datetime,
) -> str:
    """By what window a leg of a match was due, as `reconcile.matching.explain.window_of` says. Raises StoreError."""
    content = _rule(rule, version)
    return window_of(store(), content, version, leg, members, as_of, known_at) if content else ""


def _rule(rule: str, version: str) -> MatchingRule | None:
    found = newest("matching_rule", rule=rule, version=version)
    return MatchingRule.model_validate_json(found[0]["content"]) if found else None


@st.cache_data(ttl="10s", max_entries=20, show_spinner=False)
def tried(workflow: str) -> list[Row]:
    """Changed matching rules that were tried and do not decide, the newest first. Raises StoreError."""
    return tried_versions(store(), workflow)


@st.cache_data(ttl="5m", max_entries=20, show_spinner=False)
def backtest(workflow: str, rule: str, version: str, as_of: datetime, known_at: datetime) -> Backtest:
    """A version that was tried against the one that decides, as of (V, K). Raises StoreError."""
    deciding = {
        row["rule"]: row["version"]
        for row in newest("rule_versions", workflow=workflow, known_at=clock.now())
    }
    return compared(store(), rule, deciding.get(rule, ""), version, as_of, known_at)


@st.cache_data(ttl="10s", max_entries=50, show_spinner=False)
def requested(workflow: str) -> list[HandDecision]:
    """Decisions by hand of a workflow that were asked for, as they stand, the oldest first. Raises StoreError."""
    rules = [row["rule"] for row in newest("rules_asked", workflow=workflow)]
    found = [one for rule in rules for one in hand_of(store(), rule, LAST).decisions().values()]
    return sorted(
        (one for one in found if one.opening.action is HandAction.REQUESTED),
        key=lambda one: one.opening.known_at,
    )


@st.cache_data(ttl="10s", max_entries=50, show_spinner=False)
def suggested(workflow: str, as_of: datetime, known_at: datetime, most: int) -> list[Row]:
    """What matching rules suggest and nobody has decided, the smallest difference first. Raises StoreError."""
    return suggestions(store(), as_of, known_at, workflow=workflow, limit=most)


def forget() -> None:
    """Makes the next reading of everything a new one."""
    st.cache_data.clear()
