"""One object or one exception told: headline, timeline, findings, evidence, acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard import acting, charts, data, matches, panels, states, tables, view, words
from dashboard.view import View
from reconcile.causes import FAILED
from reconcile.explain import Entry, Explanation, Finding

_KINDS = {"event": "happened", "failed": "failed try", "due": "expected, not there", "state": "a system says"}
_STATUS_WORDS = {
    "Ok": "ok",
    "Unset": "",
    "Error": "failed",
    "STATUS_CODE_OK": "ok",
    "STATUS_CODE_UNSET": "",
    "STATUS_CODE_ERROR": "failed",
}
_SYSTEMS, _TRACE = "systems say", "trace: "
_TRANSACTION, _EXCEPTION = "app_pages/transaction.py", "app_pages/exception.py"


def examples(look: View) -> None:
    """What to type, with keys that exist."""
    st.caption("Every step it went through, what is due, and the trace behind it come up.")
    since = look.as_of - max(look.period, timedelta(days=365))
    rows = data.rows("keys_newest", workflow=look.workflow.workflow, as_of=look.as_of, since=since)
    if rows:
        st.markdown("**Newest in this workflow**")
        _keys(rows, look, "newest")


def pick(found: Sequence[Mapping[str, Any]], text: str) -> Mapping[str, Any] | None:
    """The object that is meant; asks when several share a key, suggests when none has it."""
    known = [hit for hit in found if hit["workflow"] in data.workflows()]
    if not known:
        _not_found(found, text)
        return None
    if len(known) == 1:
        return known[0]
    names = [
        f"{hit['object_type']}:{hit['object_key']} — {words.plural(hit['events'], 'event')}, {view.label(hit['workflow'])}"
        for hit in known
    ]
    index = st.selectbox("Several objects have this key", range(len(known)), format_func=names.__getitem__)
    return known[index if index in range(len(known)) else 0]


def _not_found(found: Sequence[Mapping[str, Any]], text: str) -> None:
    st.warning("No object has this key, and no trace this id.", icon=":material/search_off:")
    st.text(f"Searched for: {text}")
    if found:
        st.caption("A system knows it, but no workflow that is watched refers to it.")
    like = data.newest("keys_like", text=text)
    if like:
        st.markdown("**Keys that begin like it**")
        _keys(like, view.current(), "like")


def _keys(rows: Sequence[Mapping[str, Any]], look: View, name: str) -> None:
    tables.draw(
        rows,
        {"Key": "object_key", "Type": lambda row: look.type_title(row["object_type"])},
        opens=lambda row: (_TRANSACTION, {"key": f"{row['object_type']}:{row['object_key']}"}),
        key=name, width=520, alt="Keys",
    )  # fmt: skip


def show(look: View, object_type: str, object_key: str) -> None:
    """The whole story of one object."""
    told = _told(look, object_type, object_key)
    with st.container(border=True, key="panel-headline"):
        st.text(told.headline)
        _where_it_stands(told)
    _timeline(look, told)
    _findings(told)
    matches.draw(look, _records(object_key, told))
    _linked(look, told)
    _telemetry(told)
    _set_aside(told)


def _records(key: str, told: Explanation) -> tuple[str, ...]:
    """What matching rules may read of an object: its state, and what happened to it."""
    return tuple(dict.fromkeys([key, *(entry.event_id for entry in told.timeline if entry.event_id)]))


def _told(look: View, object_type: str, object_key: str) -> Explanation:
    rules = look.workflow
    return data.story(rules.workflow, rules.version, object_type, object_key, look.as_of, look.known_at)


def _where_it_stands(told: Explanation) -> None:
    own = [finding for finding in told.findings if _is_own(told, finding)]
    failing = sum(finding.failing for finding in own)
    around = sum(finding.failing for finding in told.findings) - failing
    unknown = sum(finding.state == "UNKNOWN" for finding in own)
    with st.container(horizontal=True, gap="small"):
        if failing:
            st.badge(words.plural(failing, "open exception"), icon=":material/error:", color="red")
        if around:
            st.badge(f"{around:,} in what it is linked to", icon=":material/link:", color="orange")
        if unknown:
            st.badge(f"{unknown:,} unknown", icon=":material/help:", color="gray")
        if not failing and not around and not unknown:
            st.badge("nothing is open", icon=":material/check_circle:", color="green")


def _is_own(told: Explanation, finding: Finding) -> bool:
    """Whether a finding is of the object itself, not of one it is linked to."""
    return (finding.item_type, finding.item_key) == (told.object_type, told.object_key)


def _timeline(look: View, told: Explanation) -> None:
    with st.container(border=True, key="panel-timeline"):
        st.subheader("Timeline", anchor=False)
        if not told.timeline:
            st.caption("Nothing happened to it by this time.")
            return
        marks = _marks(look, told)
        st.plotly_chart(
            charts.timeline(marks, _lanes(look, marks), look.as_of), key="timeline", config=charts.CONFIG,
            alt="Timeline of this object",
        )  # fmt: skip
        _hops(told.timeline)


def _marks(look: View, told: Explanation) -> list[dict[str, Any]]:
    """Timeline and spans as marks in lanes; what waits also says since when."""
    since = {finding.expectation: finding.facts["opened_at"] for finding in told.findings}
    business = [
        {
            "lane": _lane(look, entry), "kind": entry.kind, "at": entry.at, "title": entry.title, "detail": entry.detail,
            "since": since.get(entry.step) if entry.kind == "due" else None,
        }
        for entry in told.timeline
    ]  # fmt: skip
    technical = [
        {
            "lane": f"{_TRACE}{span['service']}", "kind": "span", "at": span["at"], "title": span["name"],
            "detail": words.span(_length(span)), "since": None,
        }
        for span in told.spans
    ]  # fmt: skip
    return business + technical


def _lane(look: View, entry: Entry) -> str:
    """Steps have a lane each; what is due stands in the lane of the step that is expected."""
    if entry.kind == "state":
        return _SYSTEMS
    if entry.kind != "due":
        return look.step_title(entry.step)
    rule = look.rule(entry.step)
    return (
        look.step_title(rule.expect[0])
        if rule and rule.kind == "sequence"
        else entry.title.removeprefix("Due: ")
    )


def _lanes(look: View, marks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Business steps in order of the workflow, then what systems say, then traces."""
    present = dict.fromkeys(str(mark["lane"]) for mark in marks)
    steps = [step.title for step in look.workflow.steps.values() if step.title in present]
    last = [lane for lane in present if lane == _SYSTEMS or lane.startswith(_TRACE)]
    return list(dict.fromkeys([*steps, *(lane for lane in present if lane not in last), *last]))


def _hops(timeline: Sequence[Entry]) -> None:
    """The entries with the time since the one before; columns that say nothing are left out."""
    before = dict(zip(map(id, timeline[1:]), timeline, strict=False))
    columns: dict[str, Any] = {
        "When": lambda entry: entry.at,
        "After": lambda entry: words.span(entry.at - before[id(entry)].at) if id(entry) in before else None,
        "What": lambda entry: entry.title,
        "Kind": lambda entry: _KINDS.get(entry.kind, entry.kind),
        "Detail": lambda entry: entry.detail,
        "By": lambda entry: entry.actor,
        "Amount": lambda entry: None if entry.amount is None else words.money({entry.currency: entry.amount}),
        "Source": lambda entry: entry.source,
    }
    said = {title: value for title, value in columns.items() if any(value(entry) for entry in timeline)}
    tables.draw(timeline, said, seconds=True, rows_seen=20, alt="Steps in order")


def _findings(told: Explanation) -> None:
    with st.container(border=True, key="panel-findings"):
        st.subheader(
            "What was expected", anchor=False, help="Every rule that applies, with its verdict and why."
        )
        if not told.findings:
            panels.nothing_due("No rule expects anything of it.")
        for finding in sorted(told.findings, key=lambda finding: not finding.failing):
            _finding(finding, "" if _is_own(told, finding) else f" ({finding.item})")


def _finding(finding: Finding, whose: str) -> None:
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            states.badge(finding.state)
            st.text(f"{finding.title}{whose}", width="content")
        st.text(finding.sentence)
        if finding.failing:
            st.page_link(
                _EXCEPTION, label="Open the exception", icon=":material/arrow_forward:",
                query_params={"id": finding.exception_id},
            )  # fmt: skip


def _linked(look: View, told: Explanation) -> None:
    if not told.neighbours:
        return
    amounts = any(near.amount is not None for near in told.neighbours)
    money = {
        "Amount": lambda near: None if near.amount is None else words.money({near.currency: near.amount})
    }
    with st.container(border=True, key="panel-linked"):
        st.subheader("Linked to", anchor=False)
        tables.draw(
            told.neighbours,
            {
                "Key": lambda near: near.object_key, "Type": lambda near: look.type_title(near.object_type),
                "Role": lambda near: near.role,
                "Known to its system": lambda near: "yes" if near.exists else "no state seen",
                **(money if amounts else {}),
            },
            opens=lambda near: (_TRANSACTION, {"key": f"{near.object_type}:{near.object_key}"}),
            key="linked", alarm=lambda near: not near.exists, rows_seen=15, alt="Linked objects",
        )  # fmt: skip


def _telemetry(told: Explanation) -> None:
    """The traces of the object: where they failed first, what was tried again or given up, spans, and what was logged."""
    if not told.spans:
        return
    with st.container(border=True, key="panel-spans"):
        st.subheader(
            "Traces", anchor=False, help="The spans behind the steps, and what programs logged in them."
        )
        if told.hop:
            st.markdown(f"**First failing hop:** {words.code(told.hop)}")
        for sentence in _tries(told.spans):
            st.text(sentence)
        queued = any(span["queue"] for span in told.spans)
        tables.draw(
            told.spans,
            {
                "Start": "at", "Service": "service", "Span": "name", "Took": lambda span: words.span(_length(span)),
                "Status": lambda span: _STATUS_WORDS.get(span["status"], span["status"]), "Error": "error",
                **({"Queue": "queue"} if queued else {}), "Trace id": "trace_id",
            },
            seconds=True, rows_seen=15, alarm=lambda span: span["status"] in FAILED, alt="Spans",
        )  # fmt: skip
        if told.logs:
            st.markdown("**What was logged**")
            tables.draw(
                told.logs, {"When": "at", "Service": "service", "Level": "severity", "Message": "body"},
                seconds=True, rows_seen=15, alarm=lambda row: row["severity"] in ("error", "fatal"), alt="Logs",
            )  # fmt: skip


def _tries(spans: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was sent again, and what ended in a queue for what failed."""
    again = sum(span["resent"] for span in spans)
    dead = sorted({str(span["queue"]) for span in spans if span["is_dead_letter"]})
    return [
        *([f"Requests were sent again {words.plural(again, 'time')}."] if again else []),
        *(f"It went into {queue}, a queue of what failed." for queue in dead),
    ]


def _set_aside(told: Explanation) -> None:
    """Records that name the object and could not be used; nothing where there are none."""
    if not told.set_aside:
        return
    with st.container(border=True, key="panel-set-aside"):
        st.subheader(
            "Set aside", anchor=False,
            help="Records of imports and probes that name it and could not be used. Those repaired since stay listed.",
        )  # fmt: skip
        tables.draw(
            told.set_aside,
            {
                "When": "at", "Source": "source", "File": "file", "Line": "line",
                "Why": lambda row: words.label_of(row["reason"]), "Detail": "detail",
            },
            rows_seen=10, alt="Records set aside",
        )  # fmt: skip


def exception(look: View, exception_id: str, home: Mapping[str, Any]) -> None:
    """The permanent page of one exception."""
    found = data.rows("exception", **look.scope, id=exception_id)
    if not found:
        _not_yet(look, home)
        return
    (row,) = data.named(look.workflow.workflow, found)
    told = _told(look, row["about_type"], row["about_key"])
    finding = next((finding for finding in told.findings if finding.exception_id == exception_id), None)
    with st.container(border=True, key="panel-verdict"):
        _verdict(look, row, finding)
        panels.stamp(look)
    left, right = st.columns(2)
    with left, st.container(border=True, key="panel-facts", height="stretch"):
        _facts(look, row)
    with right, st.container(border=True, key="panel-acts", height="stretch"):
        _acts(look, row)
    matches.draw(look, (row["item_key"],), row["expectation"])
    _timeline(look, told)
    _telemetry(told)
    _set_aside(told)
    _siblings(look, row)


def _age(row: Mapping[str, Any]) -> str:
    """Calendar days, and business days where a calendar says which those are."""
    business = row["age_business_days"]
    days = words.plural(row["age_days"], "day")
    return days if business is None else f"{days} ({words.plural(business, 'business day')})"


def _aged_from(row: Mapping[str, Any]) -> dict[str, str]:
    """What the age counts from, where that is neither when it began nor when it was due."""
    if row["aged_from"] in (row["detected_at"], row["due_at"]):
        return {}
    return {
        "Age counts from": words.day(row["aged_from"]) if row["aged_by_day"] else words.at(row["aged_from"])
    }


def _verdict(look: View, row: Mapping[str, Any], finding: Finding | None) -> None:
    with st.container(horizontal=True, gap="small"):
        states.badge(row["state"])
        states.status_badge(row["status"])
        st.badge(f"{_age(row)} old", icon=":material/schedule:", color="gray")
    st.subheader("What is wrong", anchor=False)
    st.text(f"{_item(look, row)}: {look.title_of(row['expectation'])}")
    if finding:
        st.text(finding.sentence)
    if finding and finding.todo:
        st.subheader("What to do", anchor=False)
        st.text(finding.todo)


def _facts(look: View, row: Mapping[str, Any]) -> None:
    st.subheader("Facts", anchor=False)
    facts = {
        "Item": _item(look, row),
        "Rule": row["expectation"],
        "Code": f"{row['code']}: {states.code_meaning(row['code'])}",
        "Owner": row["owner"],
        "Assigned to": row["assignee"] or "nobody",
        **_service_level(row),
        "Began": words.at(row["detected_at"]),
        "Was due": words.at(row["due_at"]),
        **_aged_from(row),
        "Ended": words.at(row["resolved_at"]) if row["resolved_at"] else "still open",
        "Failed tries": words.count(row["failures"]),
        "At stake": _amount(row["amount"], row["currency"]) or panels.no_amount(),
        **_legs(look, row),
        **_completeness(row),
        **{view.label(name): row["dims"].get(name) or "unmapped" for name in look.workflow.dimensions},
    }
    tables.draw(
        list(facts.items()), {"Fact": lambda fact: fact[0], "Value": lambda fact: fact[1]}, alt="Facts"
    )  # fmt: skip
    st.page_link(
        _TRANSACTION, label="Everything about this item", icon=":material/route:",
        query_params={"key": f"{row['about_type']}:{row['about_key']}"},
    )  # fmt: skip


def _item(look: View, row: Mapping[str, Any]) -> str:
    """What people call the item: `Invoice INV-7`, or of an event `Paid: INV-7`."""
    return f"{look.type_title(row['item_type'])} {row['item']}" if row["item_type"] else str(row["item"])


def _completeness(row: Mapping[str, Any]) -> dict[str, str]:
    """How far its sources are known to be complete. What is there and wrong needs no such proof."""
    if row["watermark"]:
        return {"Its sources": f"complete through {words.at(row['watermark'])}"}
    return {"Its sources": "have proven nothing"} if row["state"] == "UNKNOWN" else {}


def _service_level(row: Mapping[str, Any]) -> dict[str, str]:
    """How soon it must be taken on and over, where the site says so."""
    if not row["service_level"]:
        return {}
    told = {"Severity": row["severity"]}
    for name, key in (("Take on by", "acknowledge"), ("Over by", "resolve")):
        if row[f"{key}_by"]:
            told[name] = f"{words.at(row[f'{key}_by'])} ({row[f'{key}_clock']})"
    return told


def _legs(look: View, row: Mapping[str, Any]) -> dict[str, str]:
    """The two sides of a tie-out and what lies between them."""
    rule = look.rule(row["expectation"])
    if rule is None or rule.kind != "tie_out":
        return {}
    first, second = list(rule.legs)
    return {
        f"{view.label(first)} (expected)": words.amount(row["expected"], row["currency"]),
        f"{view.label(second)} (actual)": words.amount(row["actual"], row["currency"]),
        "Difference": words.amount(row["residual"], row["currency"]),
    }


def _amount(amount: Any, currency: str) -> str:
    return "" if amount is None else words.money({currency: amount})


def _acts(look: View, row: Mapping[str, Any]) -> None:
    st.subheader("What people did", anchor=False)
    acts = data.newest("acts", id=row["exception_id"], known_at=look.known_at)
    if acts:
        tables.draw(
            acts,
            {"When": "at", "Act": lambda act: act["action"].replace("_", " "), "Who": "actor", "Why": _why},
            alt="Acts, oldest first",
        )
    else:
        st.caption("Nobody has touched it yet.")
    key = f"exception-{row['exception_id']}"
    acting.told(key)
    if acting.able(look):
        acting.form([row], key)
    else:
        _commands(row["exception_id"])


def _why(act: Mapping[str, Any]) -> str:
    parts = (
        act["owner"] and f"to {act['owner']}",
        act["reason"],
        act["note"],
        act["until"] and f"until {words.at(act['until'])}",
    )
    return " · ".join(part for part in parts if part)


def _commands(exception_id: str) -> None:
    st.caption("To act, copy a command:")
    for act in (
        "ack ID --by YOU",
        "assign ID --by YOU --to WHOM",
        "explain ID --by YOU --reason CODE --note WHY",
        "resolve ID --by YOU --note WHY",
    ):
        st.code(f"tieout exceptions {act.replace('ID', exception_id)}", language=None, wrap_lines=True)


def _siblings(look: View, row: Mapping[str, Any]) -> None:
    asked = {"expectation": row["expectation"], "id": row["exception_id"], "detected_at": row["detected_at"]}
    near = data.named(look.workflow.workflow, data.rows("siblings", **look.scope, **asked))
    if not near:
        return
    with st.container(border=True, key="panel-siblings"):
        st.subheader("Open with the same rule", anchor=False, help="Nearest in time first: often one cause.")
        st.caption(f"{words.plural(near[0]['matching'], 'other')} in all; the nearest in time:")
        tables.draw(
            near,
            {
                "Item": "item", "State": lambda one: states.name(one["state"]), "Since": "detected_at", "Age, days": "age_days",
                "Status": lambda one: one["status"].replace("_", " "), "Owner": "owner",
            },
            opens=lambda one: (_EXCEPTION, {"id": one["exception_id"]}), key="sibling",
            alt="Open exceptions of the same rule",
        )  # fmt: skip
        st.page_link(
            "app_pages/exceptions.py", label="All of them", icon=":material/rule:",
            query_params={"expectation": view.label(row["expectation"])},
        )  # fmt: skip


def _not_yet(look: View, home: Mapping[str, Any]) -> None:
    """The id is real, but at this time nothing is wrong with it."""
    (home,) = data.named(look.workflow.workflow, [home])
    st.info("At this time it is no exception.", icon=":material/history:")
    st.text(f"{look.title_of(home['expectation'])}: {_item(look, home)}")
    st.caption(
        f"As of {words.at(look.as_of)}, as known {words.at(look.known_at)}, its rule is kept or not yet due. "
        f"It was first due {words.at(home['first_due_at'])}."
    )
    st.page_link(
        _TRANSACTION, label="Everything about this item", icon=":material/route:",
        query_params={"key": f"{home['about_type']}:{home['about_key']}"},
    )  # fmt: skip


def _length(span: Mapping[str, Any]) -> timedelta:
    return timedelta(microseconds=int(span["duration_ns"]) / 1000)
