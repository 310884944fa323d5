"""A run writes what changed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from core.clock import ManualClock
from probes.overview import list_probes
from probes.probe import Batch, ProbeFile, Window
from probes.run import ProbeBusyError, ProbeRun, dry_run, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.source import Invoices, count, rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Invoices]:
    invoices = Invoices(tmp_path)
    yield invoices
    invoices.close()


@pytest.fixture
def probe(make_probe: MakeProbe, source: Invoices) -> ProbeFile:
    return sql_probe(make_probe, source)


def sql_probe(make_probe: MakeProbe, source: Invoices, **keys: Any) -> ProbeFile:
    state = {"fields": ["status", "supplier"], "amount": {"column": "total", "currency_column": "cur"}}
    state |= {"deleted": "gone"} | keys.pop("object", {})
    base = {"kind": "sql", "url": source.url, "query": "SELECT * FROM invoices"}
    return make_probe(**base | keys, object=state)


def days(count: int) -> datetime:
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=count)


def test_a_state_is_stored_with_normalised_key_exact_money_and_allowed_fields_only(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no=" 0017a ", status="open", total="0.1", cur="eur", po="not listed")
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete, done.read, done.changed, done.attempts) == ("ok", True, 1, 1, 1)
    [state] = states(store)
    assert (state["object_key"], state["fields"]) == ("17A", {"status": "open"})
    assert (state["amount"], state["currency"], state["deleted"]) == (Decimal("0.1"), "EUR", False)
    assert (state["valid_from"], state["captured_at"]) == (NOW, NOW)


def test_a_second_run_without_change_writes_only_the_record_of_the_run(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="1", status="open", total=5, cur="EUR")
    source.put(no="", status="keyless")
    tables = ("snapshots", "object_links", "events", "import_rejects")
    run_probe(store, probe, workflow, NOW)
    before = [count(store, table) for table in tables]
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.changed, done.deleted) == (0, 0)
    assert [count(store, table) for table in tables] == before
    assert count(store, "probe_runs") == 2


def test_only_the_object_that_changed_gets_a_new_state(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    for no in ("1", "2", "3"):
        source.put(no=no, status="open")
    run_probe(store, probe, workflow, NOW)
    source.change("2", status="paid")
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 1
    assert [state["fields"] for state in states(store, "2")] == [{"status": "open"}, {"status": "paid"}]


def test_back_to_an_earlier_state_is_a_change_too(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="1", status="open")
    for turn, status in enumerate(("open", "held", "open")):
        source.change("1", status=status)
        run_probe(store, probe, workflow, NOW + turn * FIVE)
    assert [state["fields"]["status"] for state in states(store)] == ["open", "held", "open"]


def test_money_that_is_written_differently_is_the_same_money(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source)
    source.put(no="1", total="12.50", cur="EUR")
    run_probe(store, probe, workflow, NOW)
    source.run("UPDATE invoices SET total = '12.5000', cur = ' eur '")
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 0


def test_absence_in_a_complete_full_reading_is_a_state_with_a_time(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="1", status="open", total=3, cur="EUR")
    source.put(no="2", status="open")
    run_probe(store, probe, workflow, NOW)
    source.remove("1")
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.changed, done.deleted) == (1, 1)
    gone = states(store, "1")[-1]
    assert (gone["deleted"], gone["fields"], gone["amount"], gone["valid_from"]) == (
        True,
        {},
        None,
        NOW + FIVE,
    )
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).changed == 0


def test_an_object_that_comes_back_holds_from_its_return(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    """Its own time is older than the absence; without care the object would stay deleted for ever."""
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"}, max_absent_ratio=1)
    source.put(no="1", status="open", changed="2026-11-01 00:00:00")
    run_probe(store, probe, workflow, NOW)
    source.remove("1")
    run_probe(store, probe, workflow, NOW + FIVE)
    source.put(no="1", status="open", changed="2026-11-01 00:00:00")
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).changed == 1
    newest = store.one("SELECT * FROM snapshots ORDER BY valid_from DESC, known_at DESC LIMIT 1")
    assert (newest["deleted"], newest["valid_from"]) == (False, NOW + 2 * FIVE)
    assert run_probe(store, probe, workflow, NOW + 3 * FIVE).changed == 0


def test_a_deleted_flag_is_a_state_of_the_source(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="1", status="open", gone=0)
    run_probe(store, probe, workflow, NOW)
    source.change("1", gone=1)
    run_probe(store, probe, workflow, NOW + FIVE)
    assert [(state["deleted"], state["fields"]) for state in states(store)] == [
        (False, {"status": "open"}),
        (True, {"status": "open"}),
    ]


def test_an_empty_reading_of_a_known_source_is_not_believed(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    for number in range(20):
        source.put(no=f"A{number}", status="open")
    run_probe(store, probe, workflow, NOW)
    source.run("DELETE FROM invoices")
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.status, done.complete, done.deleted, done.error_code) == (
        "partial",
        False,
        0,
        "too_many_absent",
    )
    assert "20 of 20 known objects are missing" in done.error
    assert done.complete_through is None
    assert count(store, "watermarks") == 1


def test_an_empty_source_that_was_always_empty_is_complete(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete, done.complete_through) == ("ok", True, NOW)


def test_a_record_that_cannot_be_understood_is_set_aside_once_and_deletes_nothing(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"}, max_rejected_ratio=1)
    source.put(no="1", status="open", total=1, cur="EUR")
    run_probe(store, probe, workflow, NOW)
    source.change("1", total="1.2.3")
    source.put(no="  ", status="x")
    source.put(no="2", changed="some day")
    source.put(no="3", total=5)
    source.put(no="4", total=5, cur="EURO")
    for turn in (1, 2):
        done = run_probe(store, probe, workflow, NOW + turn * FIVE)
        assert (done.status, done.complete, done.changed, done.rejected) == ("partial", True, 0, 5)
    assert sorted(rejects(store)) == [
        ("bad_amount", "column total is not a number"),
        ("bad_time", "column changed is not a time"),
        ("no_currency", "column cur is not a currency code"),
        ("no_currency", "column cur is not a currency code"),
        ("no_key", "column no is empty"),
    ]
    fields = store.value("SELECT fields FROM import_rejects WHERE reason = 'bad_time'")
    assert fields == {"no": "2", "changed": "some day"}


def test_with_too_many_records_set_aside_the_run_proves_nothing(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="1", status="open")
    source.put(no="2", total="n/a", cur="EUR")
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete, done.complete_through) == ("partial", False, None)
    assert done.error == "1 of 2 records of probe ap_invoices are set aside, see import_rejects"
    assert len(states(store)) == 1


def test_two_records_with_one_key_and_one_time_leave_the_last_and_show_the_other(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    source.put(no="7", status="first")
    source.put(no="007", status="second")
    source.put(no="8", status="same")
    source.put(no="8", status="same")
    run_probe(store, probe, workflow, NOW)
    assert [(s["object_key"], s["fields"]["status"]) for s in states(store)] == [
        ("7", "second"),
        ("8", "same"),
    ]
    assert rejects(store) == [("duplicate_key", "another record of the same run has the same key and time")]


def test_a_feed_of_changes_is_stored_as_a_history(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    """Several states of one object in one reading, out of order and with repetitions."""
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"})
    for day, status in ((3, "paid"), (1, "open"), (2, "open"), (4, "open")):
        source.put(no="1", status=status, changed=f"2026-11-0{day}")
    for turn in (0, 1):
        run_probe(store, probe, workflow, NOW + turn * FIVE)
        told = [(s["fields"]["status"], s["valid_from"].day) for s in states(store)]
        assert told == [("open", 1), ("paid", 3), ("open", 4)]


def test_history_that_comes_late_is_added_and_the_newest_state_stays_newest(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"})
    source.put(no="1", status="paid", changed="2026-11-03")
    run_probe(store, probe, workflow, NOW)
    source.put(no="1", status="open", changed="2026-11-01")
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 2
    by_capture = [(s["fields"]["status"], s["valid_from"].day) for s in states(store)]
    assert by_capture == [("paid", 3), ("open", 1), ("paid", 3)]
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).changed == 0


def test_an_older_state_seen_later_is_kept_as_a_fact(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    """A source that was restored from a backup says again what it said before."""
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"})
    source.put(no="1", status="open", changed="2026-11-01")
    run_probe(store, probe, workflow, NOW)
    source.change("1", status="paid", changed="2026-11-05")
    run_probe(store, probe, workflow, NOW + FIVE)
    source.change("1", status="open", changed="2026-11-01")
    run_probe(store, probe, workflow, NOW + 2 * FIVE)
    told = [(s["fields"]["status"], s["valid_from"], s["captured_at"]) for s in states(store)]
    assert told == [("open", days(0), NOW), ("paid", days(4), NOW + FIVE), ("open", days(0), NOW + 2 * FIVE)]


@pytest.mark.parametrize(
    ("zone", "dates", "cases"),
    [
        (
            "Europe/Rome",
            "iso",
            {
                "2026-07-01 10:00:00": datetime(2026, 7, 1, 8, tzinfo=UTC),
                "2026-07-01T10:00:00+05:00": datetime(2026, 7, 1, 5, tzinfo=UTC),
                "2026-07-01T10:00:00.250Z": datetime(2026, 7, 1, 10, 0, 0, 250_000, tzinfo=UTC),
                "1782900000": datetime(2026, 7, 1, 10, tzinfo=UTC),
                "1782900000123": datetime(2026, 7, 1, 10, 0, 0, 123_000, tzinfo=UTC),
                "20260701": datetime(2026, 6, 30, 22, tzinfo=UTC),
                "03/04/2026": None,
                "12": None,
                "0001-01-01": None,
                "9999-12-31": None,
                "2026-02-30": None,
            },
        ),
        (
            "UTC",
            "dmy",
            {"03/04/2026": datetime(2026, 4, 3, tzinfo=UTC), "03.04.2026": datetime(2026, 4, 3, tzinfo=UTC)},
        ),
        (
            "UTC",
            "mdy",
            {"03/04/2026": datetime(2026, 3, 4, tzinfo=UTC), "2026-04-03": datetime(2026, 4, 3, tzinfo=UTC)},
        ),
    ],
)
def test_times_are_read_as_the_probe_file_says(
    store: Store,
    make_probe: MakeProbe,
    source: Invoices,
    workflow: Workflow,
    zone: str,
    dates: str,
    cases: dict[str, datetime | None],
) -> None:
    probe = sql_probe(make_probe, source, object={"valid_from": "changed"}, timezone=zone, dates=dates)
    for number, text in enumerate(cases, start=1):
        source.put(no=str(number), changed=text)
    run_probe(store, probe, workflow, NOW)
    found = {state["object_key"]: state["valid_from"] for state in states(store)}
    assert {text: found.get(str(number)) for number, text in enumerate(cases, start=1)} == cases


@pytest.mark.parametrize(
    ("mark", "cases"),
    [
        (
            ".",
            {
                "1234.5": "1234.5",
                "-7": "-7",
                "100.00-": "-100",
                "1e3": "1000",
                "0.30000000000000004": "0.3",
                "12345678901234567890.123456": "12345678901234567890.123456",
                "1,234.50": None,
                "1" + "0" * 40: None,
                "nan": None,
                "12 EUR": None,
                "1.2.3": None,
                "-": None,
                ".": None,
            },
        ),
        (",", {"1.234,50": "1234.5", "1 234,50-": "-1234.5", "1,2,3": None}),
    ],
)
def test_money_is_exact_or_set_aside(
    store: Store,
    make_probe: MakeProbe,
    source: Invoices,
    workflow: Workflow,
    mark: str,
    cases: dict[str, str | None],
) -> None:
    amount = {"column": "status", "currency": "EUR", "decimal": mark}
    probe = sql_probe(make_probe, source, object={"amount": amount, "fields": []})
    for number, text in enumerate(cases, start=1):
        source.put(no=str(number), status=text)
    run_probe(store, probe, workflow, NOW)
    found = {state["object_key"]: state["amount"] for state in states(store)}
    for number, (text, expected) in enumerate(cases.items(), start=1):
        assert found.get(str(number)) == (Decimal(expected) if expected else None), text
    assert len(rejects(store)) == list(cases.values()).count(None)


def test_a_key_of_several_columns_is_joined(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source, object={"type": "line", "key": ["po", "no"]})
    source.put(no=" 10", po="P1 ", status="open")
    source.put(no="20", po=None, status="open")
    run_probe(store, probe, workflow, NOW)
    assert [state["object_key"] for state in states(store)] == ["P1/10"]
    assert rejects(store) == [("no_key", "column po, no is empty")]


def links_of(store: Store) -> set[tuple[Any, ...]]:
    rows = store.rows("SELECT from_type, from_key, role, to_type, to_key, valid_from FROM object_links")
    assert len(rows) == len({tuple(row.values()) for row in rows})
    return {tuple(row.values()) for row in rows}


def test_links_are_written_once_with_the_time_of_the_state_that_has_them(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(
        make_probe,
        source,
        object={"valid_from": "changed"},
        links=[{"role": "ordered by", "to": "order", "column": "po", "split": ";"}],
    )
    source.put(no="1", po="p1; P2;;p1", changed="2026-11-01")
    assert run_probe(store, probe, workflow, NOW).links == 2
    source.change("1", po="p1;p3", changed="2026-11-02")
    assert run_probe(store, probe, workflow, NOW + FIVE).links == 1
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).links == 0
    assert links_of(store) == {
        ("invoice", "1", "ordered by", "order", "P1", days(0)),
        ("invoice", "1", "ordered by", "order", "P2", days(0)),
        ("invoice", "1", "ordered by", "order", "P3", days(1)),
    }


@pytest.mark.parametrize(
    ("rule", "po", "expected"),
    [
        ({"to": "order", "column": "po", "inverse": True}, "p1", ("order", "P1", "r", "invoice", "1")),
        ({"to": "order", "column": "po", "split": "json"}, '["p1"]', ("invoice", "1", "r", "order", "P1")),
        ({"to": "line", "column": ["po", "status"]}, " P1", ("invoice", "1", "r", "line", "P1/10")),
        ({"to": "order", "column": "po"}, " ", None),
        ({"to": "line", "column": ["po", "supplier"]}, "P1", None),
    ],
)
def test_a_link_may_point_back_be_a_list_or_have_several_columns(
    store: Store,
    make_probe: MakeProbe,
    source: Invoices,
    workflow: Workflow,
    rule: dict[str, Any],
    po: str,
    expected: tuple[str, ...] | None,
) -> None:
    probe = sql_probe(make_probe, source, links=[{"role": "r"} | rule])
    source.put(no="1", po=po, status="10")
    run_probe(store, probe, workflow, NOW)
    assert {row[:5] for row in links_of(store)} == ({expected} if expected else set())


def test_a_state_proves_steps_and_each_is_one_event(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(
        make_probe,
        source,
        object={"amount": {"column": "total", "currency": "EUR"}},
        links=[{"role": "of", "to": "order", "column": "po"}],
        events=[
            {"step": "invoice.received", "time": "changed"},
            {"step": "invoice.paid", "time": "paid", "when": {"status": ["paid", "cleared"]}},
            {"step": "invoice.refused", "time": "paid", "when": {"status": "refused"}},
        ],
    )
    source.put(no="1", status="open", changed="2026-11-01", total=7, po="p1", supplier="ACME")
    source.put(no="2", status="refused", changed="2026-11-02", paid="2026-11-03")
    assert run_probe(store, probe, workflow, NOW).events == 3
    source.change("1", status="paid", paid="2026-11-04")
    assert run_probe(store, probe, workflow, NOW + FIVE).events == 1
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).events == 0
    rows = store.rows(
        "SELECT step, occurred_at, known_at, outcome, amount, currency, dims, objects.type AS types, "
        "objects.key AS keys, source FROM events ORDER BY occurred_at"
    )
    assert [(row["step"], row["occurred_at"], row["known_at"]) for row in rows] == [
        ("invoice.received", days(0), NOW),
        ("invoice.received", days(1), NOW),
        ("invoice.refused", days(2), NOW),
        ("invoice.paid", days(3), NOW + FIVE),
    ]
    assert (rows[0]["types"], rows[0]["keys"]) == (["invoice", "order"], ["1", "P1"])
    assert (rows[0]["amount"], rows[0]["currency"]) == (Decimal(7), "EUR")
    assert rows[0]["dims"] == {"system": "ap", "supplier": "ACME"}
    assert [row["outcome"] for row in rows] == ["ok", "ok", "failed", "ok"]
    assert store.value("SELECT uniqExact(event_id) FROM events") == 4


def test_a_step_whose_time_is_not_a_time_sets_the_record_aside(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source, events=[{"step": "invoice.paid", "time": "paid"}])
    source.put(no="1", paid="yesterday")
    run_probe(store, probe, workflow, NOW)
    assert rejects(store) == [("bad_time", "column paid is not a time")]
    assert count(store, "events") == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, NOW),
        ({"by": "run", "lag": "15m"}, NOW - timedelta(minutes=15)),
        ({"by": "column", "column": "changed"}, days(4)),
        ({"by": "nothing"}, None),
    ],
)
def test_the_watermark_is_what_the_probe_file_says_proves_completeness(
    store: Store,
    make_probe: MakeProbe,
    source: Invoices,
    workflow: Workflow,
    rule: dict[str, str],
    expected: datetime | None,
) -> None:
    probe = sql_probe(make_probe, source, complete=rule)
    source.put(no="1", changed="2026-11-05")
    done = run_probe(store, probe, workflow, NOW)
    assert done.complete
    assert done.complete_through == expected
    assert store.rows("SELECT complete_through AS t, heartbeat_at AS h FROM watermarks") == (
        [{"t": expected, "h": NOW}] if expected else []
    )


def test_with_a_lagging_copy_a_state_holds_from_the_time_it_speaks_of(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    """Otherwise, as of the watermark, an object that is there would be missing."""
    probe = sql_probe(make_probe, source, complete={"lag": "15m"})
    source.put(no="1", status="open")
    run_probe(store, probe, workflow, NOW)
    assert states(store)[0]["valid_from"] == NOW - timedelta(minutes=15)


def test_a_watermark_by_column_never_runs_ahead_of_the_clock_and_survives_a_quiet_run(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(
        make_probe, source, complete={"by": "column", "column": "changed"}, max_absent_ratio=1,
    )  # fmt: skip
    source.put(no="1", changed="2027-01-01")
    assert run_probe(store, probe, workflow, NOW).complete_through == NOW
    source.remove("1")
    assert run_probe(store, probe, workflow, NOW + FIVE).complete_through == NOW


def test_facts_are_known_when_they_are_stored_and_captured_when_they_were_read(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    """A slow reading must not stamp facts with a time that incremental jobs have passed already."""
    source.put(no="1", status="open")
    done = run_probe(store, probe, workflow, NOW, clock=ManualClock(NOW + FIVE))
    [state] = states(store)
    assert (state["captured_at"], state["known_at"], done.finished_at) == (NOW, NOW + FIVE, NOW + FIVE)
    assert done.complete_through == NOW


def test_a_dry_run_shows_what_would_change_and_writes_no_fact(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source, links=[{"role": "of", "to": "order", "column": "po"}])
    source.put(no="1", status="open", po="p1")
    source.put(no="2", status="open")
    run_probe(store, probe, workflow, NOW)
    source.change("1", status="paid")
    source.put(no="3", status="open", total=1, cur="EUR")
    source.put(no="4", total=1)
    source.put(no="5", status="beyond the limit")
    tables = ("snapshots", "object_links", "events", "import_rejects", "watermarks", "probe_runs")
    before = [count(store, table) for table in tables]
    shown = dry_run(store, probe, workflow, NOW + FIVE, limit=4)
    assert [count(store, table) for table in tables] == before
    assert count(store, "probe_rows") == count(store, "probe_states") == 0
    assert [(r["key"], r["change"], r["reason"]) for r in shown.records] == [
        ("1", "changed", ""),
        ("2", "unchanged", ""),
        ("3", "new", ""),
        ("4", "set aside", "no_currency"),
    ]
    assert shown.more
    assert shown.records[0]["links"] == [{"role": "of", "type": "order", "key": "P1", "inverse": False}]
    assert (shown.records[2]["amount"], shown.records[2]["currency"]) == (Decimal(1), "EUR")


def test_the_overview_tells_of_runs_completeness_and_lateness(
    store: Store, make_probe: MakeProbe, source: Invoices, workflow: Workflow
) -> None:
    probe = sql_probe(make_probe, source)
    other = sql_probe(make_probe, source, name="other", query="SELECT * FROM nowhere")
    assert [(s.name, s.status, s.late, s.next_at) for s in list_probes(store, [probe], NOW)] == [
        ("ap_invoices", "never", True, NOW)
    ]
    source.put(no="1", status="open")
    for each in (probe, other):
        run_probe(store, each, workflow, NOW)
    first, second = list_probes(store, [other, probe], NOW + timedelta(minutes=9))
    assert (first.status, first.late, first.complete_through, first.records_read) == ("ok", False, NOW, 1)
    assert (first.next_at, first.last_good, first.every_s) == (NOW + FIVE, NOW, 300)
    assert (second.status, second.late, second.last_good, second.error_code) == (
        "failed",
        True,
        None,
        "query_failed",
    )
    assert list_probes(store, [probe], NOW + timedelta(minutes=11))[0].late


def test_a_probe_is_not_run_twice_at_once_and_a_dry_run_does_not_disturb_it(
    store: Store, probe: ProbeFile, source: Invoices, workflow: Workflow
) -> None:
    """Run by hand while the schedule runs it: the second is refused, not doubled."""
    reading, go_on = Event(), Event()
    source.put(no="1", status="open")
    real = type(probe).read

    def slow(self: ProbeFile, window: Window) -> Generator[Batch]:
        yield from real(self, window)
        reading.set()
        go_on.wait(20)

    results: list[ProbeRun] = []
    slow_probe = type("Slow", (type(probe),), {"read": slow})(
        **{name: getattr(probe, name) for name in type(probe).model_fields}
    )
    first = Thread(target=lambda: results.append(run_probe(store, slow_probe, workflow, NOW)))
    first.start()
    assert reading.wait(20)
    with pytest.raises(ProbeBusyError, match="running already"):
        run_probe(store, probe, workflow, NOW)
    assert [row["change"] for row in dry_run(store, probe, workflow, NOW).records] == ["new"]
    go_on.set()
    first.join(20)
    assert [(done.status, done.read, done.changed) for done in results] == [("ok", 1, 1)]
    assert run_probe(store, probe, workflow, NOW + FIVE).changed == 0
