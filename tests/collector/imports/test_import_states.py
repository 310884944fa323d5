"""Files of the state of objects."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from import_site import NOW, Site, utc

from collector.imports import context as limits
from collector.imports import tail

STATE = """
mapping: order_states
workflow: orders
format: csv
match: ["states*.csv"]
system: erp
state:
  type: order
  key: order
  fields: [status]
  amount: {column: total, currency: EUR}
"""
HEAD = "order,status,total,since,bill,gone"
DATED = STATE + "  valid_from: since\n"
DAY = timedelta(days=1)


def test_a_row_is_the_state_of_an_object(site: Site) -> None:
    result = site.run(STATE, site.csv("states.csv", HEAD, "a1,open,5.50,,,", "b2,,,,,"))
    assert site.snapshots(
        "system", "object_type", "object_key", "fields", "amount", "currency", "deleted", "valid_from"
    ) == [
        ("erp", "order", "A1", {"status": "open"}, Decimal("5.5"), "EUR", False, NOW),
        ("erp", "order", "B2", {}, None, "", False, NOW),
    ]
    assert (result.snapshots.new, result.rows_read) == (2, 2)


def test_an_unchanged_state_is_not_written_again_and_a_change_is_even_back_to_what_it_was(site: Site) -> None:
    first, second = ("a1,open,5,,,", "a1,closed,5,,,")
    news = [
        site.run(STATE, site.csv("states.csv", HEAD, row), now=NOW + DAY * day).snapshots.new
        for day, row in enumerate([first, first, second, second, first])
    ]
    assert news == [1, 0, 1, 0, 1]
    assert [fields["status"] for (fields,) in site.snapshots("fields")] == ["open", "closed", "open"]


def test_states_with_a_time_of_their_own_are_the_same_in_any_order_of_files(site: Site) -> None:
    january, february = (
        site.csv("states1.csv", HEAD, "a1,open,5,2026-01-01,,"),
        site.csv(
            "states2.csv",
            HEAD,
            "a1,open,5,2026-01-01,,",
            "a1,closed,5,2026-02-01,,",
            "a1,open,5,2026-03-01,,",
        ),
    )
    results = [
        site.run(DATED, path, now=NOW + DAY * day) for day, path in enumerate([february, january, february])
    ]
    assert [(result.snapshots.new, result.snapshots.known) for result in results] == [(3, 0), (0, 1), (0, 3)]
    assert site.snapshots("fields['status']", "valid_from") == [
        ("open", utc("2026-01-01")), ("closed", utc("2026-02-01")), ("open", utc("2026-03-01")),
    ]  # fmt: skip


def test_of_two_states_for_one_moment_the_first_stands_and_the_other_is_set_aside(site: Site) -> None:
    rows = (
        "a1,bad,x,2026-01-01,,",
        "A1,open,5,2026-01-01,,",
        "a1,closed,5,2026-01-01,,",
        "a1,open,5,2026-01-01,,",
    )
    result = site.run(DATED, site.csv("states.csv", HEAD, *rows))
    assert site.snapshots("fields['status']") == [("open",)]
    assert site.rejects("line", "reason") == [(2, "AMOUNT_UNPARSABLE"), (4, "KEY_REPEATED")]
    assert (result.snapshots.new, result.snapshots.known, result.rejected) == (
        1,
        1,
        {"AMOUNT_UNPARSABLE": 1, "KEY_REPEATED": 1},
    )


def test_files_of_one_call_are_looked_at_together(site: Site) -> None:
    one, two = (
        site.csv("states1.csv", HEAD, "a1,open,5,,,"),
        site.csv("states2.csv", HEAD, "a1,closed,5,,,", "b1,open,5,,,"),
    )
    result = site.run(STATE, one, two)
    assert site.rejects("file", "line", "reason") == [("states2.csv", 2, "KEY_REPEATED")]
    assert result.snapshots.new == 2
    records = site.store.rows("SELECT file, rows_read, rows_new, rows_rejected FROM imports ORDER BY file")
    assert [tuple(row.values()) for row in records] == [("states1.csv", 1, 1, 0), ("states2.csv", 2, 1, 1)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",open,5,2026-01-01,,", "KEY_EMPTY"),
        ("a1,open,5,,,", "TIME_EMPTY"),
        ("a1,open,5,soon,,", "TIME_UNPARSABLE"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside(site: Site, row: str, reason: str) -> None:
    result = site.run(DATED, site.csv("states.csv", HEAD, row, "b1,open,5,2026-01-01,,"))
    assert site.rejects("line", "reason", "fields['status']") == [(2, reason, "open")]
    assert (result.snapshots.new, result.rejected) == (1, {reason: 1})


def test_deleted_rows_are_deleted_states(site: Site) -> None:
    log = STATE + "  deleted: {column: gone, values: [X, 'yes']}\n"
    site.run(log, site.csv("states.csv", HEAD, "a1,open,5,,,X", "b1,open,5,,,", "c1,open,5,,, yes "))
    assert site.snapshots("object_key", "deleted") == [("A1", True), ("B1", False), ("C1", True)]


def test_absence_from_a_complete_file_is_a_deletion_until_the_object_is_back(site: Site) -> None:
    log = STATE + "  complete: true\n"
    both, one = ("a1,open,5,,,", "b1,open,5,,,"), ("a1,open,5,,,",)
    absent = [
        site.run(log, site.csv("states.csv", HEAD, *rows), now=NOW + DAY * day).absent
        for day, rows in enumerate([both, one, one, both])
    ]
    assert absent == [0, 1, 0, 0]
    assert site.snapshots("object_key", "deleted", "valid_from") == [
        ("A1", False, NOW), ("B1", False, NOW), ("B1", True, NOW + DAY), ("B1", False, NOW + 3 * DAY),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "deleted"), [("b1,open,x,,,", 0), (",open,5,,,", 0), ("b1", 0), ("c1,open,x,,,", 1)]
)
def test_a_row_set_aside_is_no_absence(site: Site, row: str, deleted: int) -> None:
    log = STATE + "  complete: true\n"
    site.run(log, site.csv("states.csv", HEAD, "a1,open,5,,,", "b1,open,5,,,"))
    result = site.run(log, site.csv("states.csv", HEAD, "a1,open,5,,,", row), now=NOW + DAY)
    assert result.absent == deleted
    assert bool(result.notes) == (row in (",open,5,,,", "b1"))


def test_a_file_that_may_be_cut_proves_no_absence(site: Site) -> None:
    log = STATE + "  complete: true\n"
    site.run(log, site.csv("states.csv", HEAD, "a1,open,5,,,", "b1,open,5,,,"))
    assert site.run(log, site.file("states.csv", f"{HEAD}\na1,open,5,,,"), now=NOW + DAY).absent == 0


def test_objects_a_row_names_become_links_known_from_the_earliest_time(site: Site) -> None:
    log = DATED + "  links: [{to: invoice, column: bill, role: billed by}]\n"
    late = site.csv("states1.csv", HEAD, "a1,open,5,2026-02-01,i-1,", "b1,open,5,2026-02-01,,")
    early = site.csv("states2.csv", HEAD, "a1,open,5,2026-01-01, i-1 ,")
    results = [
        site.run(log, path, now=NOW + DAY * day) for day, path in enumerate([late, late, early, early, late])
    ]
    assert [result.links.new for result in results] == [1, 0, 1, 0, 0]
    assert (
        site.links("from_type", "from_key", "to_type", "to_key", "role", "min(valid_from) OVER ()")
        == [("order", "A1", "invoice", "i-1", "billed by", utc("2026-01-01"))] * 2
    )


def test_the_watermark_is_the_newest_state(site: Site) -> None:
    log = DATED + "  complete_through: last_event\n"
    result = site.run(log, site.csv("states.csv", HEAD, "a1,open,5,2026-02-01,,", "b1,open,5,2026-03-01,,"))
    assert result.watermark == utc("2026-03-01")


def test_states_after_until_are_held_back_with_their_links(site: Site) -> None:
    mapping = site.mapping(DATED + "  links: [{to: invoice, column: bill, role: billed by}]\n")
    path = site.csv("states.csv", HEAD, "a1,open,5,2026-02-01,i1,", "b1,open,5,2026-03-01,i2,")
    until = utc("2026-03-01")
    result = site.run(mapping, path, until=until)
    assert (result.snapshots.new, result.snapshots.held_back, result.links.held_back) == (1, 1, 1)
    rest = tail(site.store, mapping, site.workflows["orders"], [path], until, NOW)
    assert rest.snapshots.column("object_key").to_pylist() == ["B1"]
    assert rest.links.column("to_key").to_pylist() == ["i2"]


def test_many_objects_are_decided_in_shares(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHUNK_ROWS", 10)
    rows = [f"o{number % 40},s{number // 40},5,2026-01-01,," for number in range(60)]
    result = site.run(DATED, site.csv("states.csv", HEAD, *rows))
    assert (result.snapshots.new, result.rejected) == (40, {"KEY_REPEATED": 20})
