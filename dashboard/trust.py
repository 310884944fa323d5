"""Tables of the sources page: sources, imports, probes, jobs, rule versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard import data, panels, tables, words
from dashboard.view import EPOCH, STALE_AFTER, View
from workflows.model import Workflow


def sources() -> None:
    """Every source a workflow relies on, and every one that ever reported."""
    now = data.clock.now()
    rows = _sources(now)
    if not rows:
        panels.first_run()
        return
    tables.draw(
        rows,
        {
            "Source": "source", "State": "state", "Complete through": "through",
            "Last heard": lambda row: f"{words.span(now - row['heard_at'])} ago" if row["heard_at"] else None,
            "Newest event": "last_event_at", "Events": "event_count", "Proves": "proves",
        },
        alarm=lambda row: row["late"], alt="Sources and how far each is complete",
    )  # fmt: skip
    st.caption(
        "Nothing is called missing before one of its sources is complete past the time it was due; until then it is "
        "unknown. Where several sources prove a workflow, any one is enough."
    )


def imports() -> None:
    """Last import of each source, and rows set aside."""
    rows = data.newest("source_imports")
    if not rows:
        panels.not_computed("Nothing has been imported yet.", "tieout import FILE…")
        return
    tables.draw(
        rows,
        {
            "Source": "source", "Last file": "last_file", "When": "last_started_at", "Status": "last_status",
            "Rows": "last_rows", "New": "last_new", "Already known": "last_known", "Set aside": "last_rejected",
            "Runs": "runs",
        },
        alarm=lambda row: row["last_status"] != "done", alt="Last import of each source",
    )  # fmt: skip
    rejects = data.newest("source_rejects")
    if not rejects:
        st.caption(":material/check: No row was ever set aside.")
        return
    st.markdown("**Rows set aside**")
    tables.draw(
        rejects,
        {
            "Source": "source", "Reason": "reason", "Rows": "reject_count", "Files": "files", "For example": "example",
            "Last": "last_at",
        },
        alt="Rows set aside by reason",
    )  # fmt: skip


def probes() -> None:
    """Last run of each probe; errors in words."""
    rows = data.newest("source_probes")
    if not rows:
        panels.not_computed("No probe has run yet.", "tieout probe list")
        return
    tables.draw(
        rows,
        {
            "Probe": "probe", "System": "last_system", "Status": "last_status", "Last run": "last_started_at",
            "Last success": lambda row: row["last_ok_at"] if row["ok_runs"] else None,
            "Records": "last_read", "Changed": "last_changed", "Set aside": "last_rejected",
            "Failed tries in a day": "failed_tries",
        },
        alarm=lambda row: row["last_status"] != "ok", alt="Last run of each probe",
    )  # fmt: skip
    _errors([(row["probe"], row["last_error"]) for row in rows if row["last_error"]])
    _changed_columns()


def _changed_columns() -> None:
    rows = data.newest("source_columns")
    if not rows:
        return
    st.markdown("**Columns that changed**")
    tables.draw(
        rows,
        {
            "Probe": "probe", "Column": "name", "What": "change",
            "Types": lambda row: f"{row['before'] or '?'} → {row['after'] or '?'}" if row["change"] == "retyped" else None,
            "Since": "known_at", "Read": lambda row: "yes" if row["needed"] else None,
        },
        alarm=lambda row: row["needed"], alt="Columns of sources that changed",
    )  # fmt: skip


def jobs() -> None:
    """Last run of each job of tieout itself."""
    rows = data.newest("jobs")
    if not rows:
        panels.not_computed("No job has run yet. They run with:", "tieout up")
        return
    tables.draw(
        rows,
        {
            "Job": "job", "Status": "last_status", "Last run": "last_started_at",
            "Took": lambda row: words.span(row["last_finished_at"] - row["last_started_at"]),
            "Rows": "last_rows", "Not ok": lambda row: f"{row['bad_runs']:,} of {row['runs']:,} runs",
        },
        alarm=lambda row: row["last_status"] != "ok", alt="Last run of each job",
    )  # fmt: skip
    _errors([(row["job"], row["last_error"]) for row in rows if row["last_error"]])


def versions(look: View) -> None:
    """The rule versions of a workflow."""
    rows = data.newest("versions", workflow=look.workflow.workflow)
    if not rows:
        panels.not_computed("The rules of this workflow have not been put in force yet.", "tieout up")
        return
    tables.draw(
        rows,
        {
            "Version": lambda row: row["version"] or "no file",
            "In force": lambda row: "from the beginning" if row["activated_at"] <= EPOCH else f"from {words.at(row['activated_at'])}",
            "Now": lambda row: "decides" if row is rows[0] else None,
        },
        width=560, alt="Rule versions, newest first",
    )  # fmt: skip


def _sources(now: datetime) -> list[dict[str, Any]]:
    """A row each: how far it is complete, when it was heard, what it gave, what it proves."""
    marks = {row["source"]: row for row in data.newest("source_marks")}
    events = {row["source"]: row for row in data.newest("event_sources")}
    through = {name: row["through"] for name, row in marks.items()}
    proves = {
        name: (workflow, workflow.sources_of(tuple(workflow.steps)))
        for name, workflow in data.workflows().items()
    }
    names = {*marks, *events, *(source for _, sources in proves.values() for source in sources)}
    return [
        {
            "source": name,
            "through": through.get(name),
            "heard_at": marks.get(name, {}).get("heard_at"),
            "last_event_at": events.get(name, {}).get("last_event_at"),
            "event_count": events.get(name, {}).get("event_count"),
            "proves": ", ".join(key for key, (_, sources) in proves.items() if name in sources),
            **_state(name, through, [used for used in proves.values() if name in used[1]], now),
        }
        for name in sorted(names)
    ]


def _state(
    name: str,
    through: Mapping[str, datetime],
    uses: Sequence[tuple[Workflow, tuple[str, ...]]],
    now: datetime,
) -> dict[str, Any]:
    """How a source stands beside the time its workflows speak of; late when none of its fellows stands better."""
    if not uses:
        return {"state": "no rule relies on it", "late": False}
    best = [
        max((through[source] for source in sources if source in through), default=None) for _, sources in uses
    ]
    asked = [
        now if workflow.as_of == "now" else newest for (workflow, _), newest in zip(uses, best, strict=True)
    ]
    reference = max((moment for moment in asked if moment), default=now)
    covered = all(newest is not None and reference - newest <= STALE_AFTER for newest in best)
    if name not in through:
        return {"state": "never reported", "late": not covered}
    behind = reference - through[name]
    late = behind > STALE_AFTER
    return {"state": f"{words.span(behind)} behind" if late else "up to date", "late": late}


def _errors(errors: list[tuple[str, str]]) -> None:
    for name, text in errors:
        st.text(f"{name}: {text}")
