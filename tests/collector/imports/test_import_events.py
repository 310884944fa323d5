"""What the rows of an event log become."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from import_site import LOG, NOW, Site, utc

from collector.imports import ImportFailedError, ImportProgress, tail
from collector.imports import context as limits
from core.errors import ConfigurationError

ROWS = (
    "order,what,at,answer",
    "a1,Sent,2026-01-01T08:00:00Z,",
    "a1,Answer,2026-01-02T08:00:00Z,yes",
    "b2,Sent,2026-01-03T08:00:00Z,",
    "b2,Answer,2026-01-04T08:00:00Z,no",
)


def test_a_row_becomes_the_first_step_of_the_workflow_whose_selector_holds(site: Site) -> None:
    result = site.run(LOG, site.csv("orders.csv", *ROWS))
    assert site.events("step", "outcome", "objects.key", "attributes", "source_ref") == [
        ("po.sent", "ok", ["A1"], {}, "orders.csv:2"),
        ("po.confirmed", "ok", ["A1"], {"answer": "yes"}, "orders.csv:3"),
        ("po.sent", "ok", ["B2"], {}, "orders.csv:4"),
        ("po.refused", "failed", ["B2"], {"answer": "no"}, "orders.csv:5"),
    ]
    assert (result.events.new, result.rows_read, result.rejected) == (4, 4, {})
    assert (result.first_at, result.last_at) == (utc("2026-01-01T08:00"), utc("2026-01-04T08:00"))
    assert site.events("known_at", "source", "workflow", "attempt")[0] == (NOW, "orders", "orders", 1)


def test_the_index_by_object_holds_every_event(site: Site) -> None:
    site.run(LOG, site.csv("orders.csv", *ROWS))
    found = site.store.rows(
        "SELECT object_type, object_key, role, count() AS n FROM event_objects GROUP BY ALL ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in found] == [
        ("order", "A1", "subject", 2),
        ("order", "B2", "subject", 2),
    ]


def test_an_activity_no_step_knows_is_unmapped_counted_and_named(site: Site) -> None:
    result = site.run(
        LOG, site.csv("orders.csv", *ROWS, "a1,Dance,2026-01-05T08:00:00Z,", "a1,Bill,2026-01-06T08:00:00Z,")
    )
    assert result.unmapped == {"Bill": 1, "Dance": 1}
    assert site.events("step", "attributes")[-2:] == [
        ("unmapped", {"activity": "Dance"}),
        ("unmapped", {"activity": "Bill"}),
    ]


def test_a_selector_of_a_system_holds_when_the_mapping_speaks_of_that_system(site: Site) -> None:
    rows = ("order,what,at,answer", "a1,Bill,2026-01-06T08:00:00Z,")
    site.run(LOG + "system: erp\n", site.csv("orders.csv", *rows))
    assert site.events("step") == [("po.billed",)]


def test_only_listed_columns_are_kept_not_even_for_rows_set_aside(site: Site) -> None:
    rows = ("order,what,at,answer,patient", "a1,Sent,2026-01-01T08:00:00Z,,Jane", "b1,Sent,someday,,Jane")
    site.run(LOG, site.csv("orders.csv", *rows))
    assert site.events("attributes") == [({},)]
    assert site.rejects("fields") == [({"order": "b1", "what": "Sent", "at": "someday"},)]


def test_a_site_can_keep_the_whole_row_that_is_set_aside(site: Site) -> None:
    rows = ("order,what,at,answer,note", "b1,Sent,someday,,hm", "b1,Sent")
    site.run(LOG + "keep_rejected: whole\n", site.csv("orders.csv", *rows))
    assert site.rejects("fields") == [
        ({"order": "b1", "what": "Sent", "at": "someday", "note": "hm"},),
        ({"text": "b1,Sent"},),
    ]


UNUSABLE = [
    (",Sent,2026-01-01T08:00:00Z,", "KEY_EMPTY", "column order: no key of a business object"),
    ("  ,Sent,2026-01-01T08:00:00Z,", "KEY_EMPTY", "column order: no key of a business object"),
    ("a1,,2026-01-01T08:00:00Z,", "ACTIVITY_EMPTY", "column what: the activity is empty"),
    ("a1,Sent,,", "TIME_EMPTY", "column at: the time is empty"),
    ("a1,Sent,secret,", "TIME_UNPARSABLE", "column at: no time as the mapping describes it"),
    ("a1,Sent,2026-02-30T08:00:00Z,", "TIME_UNPARSABLE", "column at: no time as the mapping describes it"),
    ("a1,Sent,2026-01-01T25:00:00Z,", "TIME_UNPARSABLE", "column at: no time as the mapping describes it"),
    ("a1,Sent,0026-01-01T08:00:00Z,", "TIME_UNPARSABLE", "column at: no time as the mapping describes it"),
    ("a1,Sent", "COLUMN_COUNT", "2 columns where the first line has 4"),
    ("a1,Sent,2026-01-01T08:00:00Z,,,", "COLUMN_COUNT", "6 columns where the first line has 4"),
]


def test_a_row_that_cannot_be_used_is_set_aside_with_line_and_reason(site: Site) -> None:
    rows = [row for row, _, _ in UNUSABLE]
    result = site.run(LOG, site.csv("orders.csv", *ROWS[:3], *rows, *ROWS[3:]))
    expected = [
        ("orders.csv", line, reason, detail) for line, (_, reason, detail) in enumerate(UNUSABLE, start=4)
    ]
    assert site.rejects("file", "line", "reason", "detail") == expected
    assert result.rejected == Counter(reason for _, reason, _ in UNUSABLE)
    assert (result.events.new, result.rows_read) == (4, 4 + len(UNUSABLE))


def test_rows_set_aside_are_set_aside_once(site: Site) -> None:
    path = site.csv("orders.csv", *ROWS, "a1,Sent,never,", "x")
    first, second = site.run(LOG, path), site.run(LOG, path, now=NOW + timedelta(days=1))
    assert first.rejected == second.rejected == {"COLUMN_COUNT": 1, "TIME_UNPARSABLE": 1}
    assert len(site.rejects("line")) == 2


def test_bytes_that_are_no_text_cost_their_row_only(site: Site) -> None:
    text = "\n".join([*ROWS, "a\xff,Sent,2026-01-05T08:00:00Z,", "c3,Sent,2026-01-06T08:00:00Z,", ""])
    result = site.run(LOG, site.file("orders.csv", text.encode("latin-1")))
    assert site.rejects("line", "reason", "detail") == [
        (6, "ENCODING", "column order: not text in the encoding of the file")
    ]
    assert result.events.new == 5


def test_two_equal_rows_are_one_event_and_the_second_is_known(site: Site) -> None:
    result = site.run(LOG, site.csv("orders.csv", *ROWS, ROWS[1], ROWS[1]))
    assert (result.events.new, result.events.known, result.rows_read) == (4, 2, 6)


def test_rows_that_differ_in_their_identity_only_are_two_events(site: Site) -> None:
    log = LOG + "  identity: [order, nr]\n"
    rows = ("order,what,at,answer,nr", "a1,Sent,2026-01-01T08:00:00Z,,1", "a1,Sent,2026-01-01T08:00:00Z,,2")
    assert site.run(log, site.csv("orders.csv", *rows)).events.new == 2


def test_without_identity_the_order_of_columns_and_empty_ones_do_not_matter(site: Site) -> None:
    site.run(LOG, site.csv("orders1.csv", *ROWS))
    turned = (
        "at,order,extra,answer,what",
        "2026-01-01T08:00:00Z,a1,,,Sent",
        "2026-01-04T08:00:00Z,b2,,no,Answer",
    )
    result = site.run(LOG, site.csv("orders2.csv", *turned))
    assert (result.events.new, result.events.known) == (0, 2)


def test_one_event_may_touch_several_objects_and_keys_may_have_parts(site: Site) -> None:
    log = LOG.replace(
        "[{type: order, column: order, role: subject}]",
        "[{type: order, columns: [company, order], separator: '-'}, {type: invoice, column: invoice, role: bill}]",
    )
    rows = (
        "company,order,invoice,what,at,answer",
        "x,7,,Sent,2026-01-01,",
        "x,7,i-1,Invoice,2026-01-02,",
        ",7,i-2,Invoice,2026-01-03,",
    )
    site.run(log, site.csv("orders.csv", *rows))
    assert site.events("objects.type", "objects.key", "objects.role") == [
        (["order"], ["X-7"], [""]),
        (["order", "invoice"], ["X-7", "i-1"], ["", "bill"]),
        (["invoice"], ["i-2"], ["bill"]),
    ]


def test_keys_follow_the_rules_of_the_file_and_then_of_the_object_type(site: Site) -> None:
    log = LOG.replace("column: order,", "column: order, key: [strip_punctuation],")
    site.run(log, site.csv("orders.csv", ROWS[0], " 00-ab/7 ,Sent,2026-01-01,"))
    assert site.events("objects.key") == [(["AB7"],)]


AMOUNTS = [
    ("1234.5", ".", "1234.5"),
    ("1,234.50", ".", "1234.5"),
    ("1 234.50", ".", "1234.5"),
    ("1'234'567.891", ".", "1234567.891"),
    ("-5", ".", "-5"),
    ("5.00-", ".", "-5"),
    ("(5.25)", ".", "-5.25"),
    ("+.5", ".", "0.5"),
    ("0.30000000000000004", ".", "0.3"),
    ("1.234,56", ",", "1234.56"),
    ("1.234", ",", "1234"),
    ("1.234", ".", "1.234"),
    ("99999999999999999999999999.999999", ".", "99999999999999999999999999.999999"),
]


@pytest.mark.parametrize("mark", [".", ","])
def test_amounts_are_exact_whatever_the_decimal_mark(site: Site, mark: str) -> None:
    cases = [(text, Decimal(amount)) for text, its_mark, amount in AMOUNTS if its_mark == mark]
    log = LOG + f"  amount: {{column: money, currency: EUR, decimal: '{mark}'}}\ncsv: {{delimiter: ';'}}\n"
    rows = [f"a1;Sent;2026-01-01T00:00:{nr:02};;{text}" for nr, (text, _) in enumerate(cases)]
    site.run(log, site.csv("orders.csv", "order;what;at;answer;money", *rows))
    assert site.events("amount", "currency") == [(amount, "EUR") for _, amount in cases]


def test_what_is_no_amount_sets_the_row_aside(site: Site) -> None:
    bad = ["12,34", "1,23,456.00", "1e5", "EUR 5", "--5", "-5-", "5.", "NaN", "1" * 27]
    log = LOG + "  amount: {column: money, currency: EUR}\ncsv: {delimiter: ';'}\n"
    site.run(
        log,
        site.csv(
            "orders.csv", "order;what;at;answer;money", *(f"a1;Sent;2026-01-01;;{text}" for text in bad)
        ),
    )
    said = ("AMOUNT_UNPARSABLE", "column money: no amount with the decimal mark of the mapping")
    assert site.rejects("reason", "detail") == [said] * len(bad)
    assert site.events("step") == []


def test_an_amount_may_be_price_times_quantity_in_a_currency_of_the_row(site: Site) -> None:
    log = LOG + "  amount: {multiply: [price, count], currency_column: cur}\n"
    rows = (
        "order,what,at,answer,price,count,cur",
        "a1,Sent,2026-01-01,,2.50,3,eur",
        "a1,Sent,2026-01-02,,2.50,,",
        "a1,Sent,2026-01-03,,,,",
        "a1,Sent,2026-01-04,,2.50,3,",
    )
    site.run(log, site.csv("orders.csv", *rows))
    assert site.events("amount", "currency") == [(Decimal("7.5"), "EUR"), (None, "")]
    assert site.rejects("line", "reason") == [(3, "AMOUNT_UNPARSABLE"), (5, "CURRENCY_UNKNOWN")]


TIMES = [
    ("2026-07-01T08:00:00Z", "iso", "UTC", "2026-07-01T08:00"),
    ("2026-07-01 08:00:00.123456789", "iso", "UTC", "2026-07-01T08:00:00.123456"),
    ("2026-07-01T08:00:00+05:30", "iso", "UTC", "2026-07-01T02:30"),
    ("2026-07-01T08:00:00 -0500", "iso", "UTC", "2026-07-01T13:00"),
    ("2026-07-01T08:00:00", "iso", "Europe/Berlin", "2026-07-01T06:00"),
    ("2026-01-01T08:00", "iso", "Europe/Berlin", "2026-01-01T07:00"),
    ("2026-01-01", "iso", "America/New_York", "2026-01-01T05:00"),
    ("1965-03-04T05:06:07Z", "iso", "UTC", "1965-03-04T05:06:07"),
    ("01.07.2026 08:05:09", "%d.%m.%Y %H:%M:%S", "Europe/Berlin", "2026-07-01T06:05:09"),
    ("7/1/2026 8:05 PM", "%m/%d/%Y %I:%M %p", "UTC", "2026-07-01T20:05"),
    ("01-Jul-2026", "%d-%b-%Y", "UTC", "2026-07-01T00:00"),
    ("20260701080509", "%Y%m%d%H%M%S", "UTC", "2026-07-01T08:05:09"),
    ("01.07.2026 08:05:09.25", "%d.%m.%Y %H:%M:%S.%f", "UTC", "2026-07-01T08:05:09.250"),
    ("1782892800", "unix_s", "Europe/Berlin", "2026-07-01T08:00"),
    ("1782892800.5", "unix_s", "UTC", "2026-07-01T08:00:00.500"),
    ("1782892800123", "unix_ms", "UTC", "2026-07-01T08:00:00.123"),
    ("1782892800123456", "unix_us", "UTC", "2026-07-01T08:00:00.123456"),
]


@pytest.mark.parametrize(("form", "zone"), sorted({(form, zone) for _, form, zone, _ in TIMES}))
def test_times_are_read_by_format_and_zone(site: Site, form: str, zone: str) -> None:
    cases = [
        (text, utc(at)) for text, its_form, its_zone, at in TIMES if (its_form, its_zone) == (form, zone)
    ]
    log = LOG.replace("time: at", f"time: {{columns: [at], format: '{form}', zone: {zone}}}")
    site.run(
        log,
        site.csv(
            "orders.csv", ROWS[0], *(f"o{nr},Sent,{text}," for nr, (text, _) in enumerate(cases, start=1))
        ),
    )
    found = dict(site.events("objects.key[1]", "occurred_at"))
    assert [found[f"O{nr}"] for nr in range(1, len(cases) + 1)] == [at for _, at in cases]


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("%d.%m.%Y", ["01.13.2026", "01.07.2026 x"]),
        ("unix_s", ["99999999999999999999", "9" * 60, "soon", "-9999999999999"]),
        ("iso", ["2026", "01.07.2026", "2026-07-01T08:00:00ZZ"]),
    ],
)
def test_a_time_of_another_form_sets_the_row_aside(site: Site, form: str, texts: list[str]) -> None:
    log = LOG.replace("time: at", f"time: {{columns: [at], format: '{form}'}}")
    site.run(log, site.csv("orders.csv", ROWS[0], *(f"a1,Sent,{text}," for text in texts)))
    assert site.rejects("reason") == [("TIME_UNPARSABLE",)] * len(texts)


def test_date_and_time_may_stand_in_two_columns(site: Site) -> None:
    log = LOG.replace("time: at", "time: {columns: [day, hour]}")
    site.run(log, site.csv("orders.csv", "order,what,day,hour,answer", "a1,Sent,2026-01-01,08:30,"))
    assert site.events("occurred_at") == [(utc("2026-01-01T08:30"),)]


def test_segments_and_actor_come_from_their_columns_and_an_empty_one_is_left_out(site: Site) -> None:
    log = LOG + "  actor: who\n  dims: {department: dep, supplier: vendor}\n"
    rows = (
        "order,what,at,answer,who,dep,vendor",
        "a1,Sent,2026-01-01,, ann ,ICU,",
        "a1,Answer,2026-01-02,yes,,,",
    )
    site.run(log, site.csv("orders.csv", *rows))
    assert site.events("actor", "dims") == [("ann", {"department": "ICU"}), ("", {})]


def test_large_files_are_decided_in_stretches_and_equal_rows_far_apart_are_still_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK_ROWS", 7)
    rows = [f"o{number},Sent,2026-01-01T00:{number:02}:00Z," for number in range(50)]
    seen: list[ImportProgress] = []
    result = site.run(LOG, site.csv("orders.csv", ROWS[0], *rows, *rows[:5]), progress=seen.append)
    assert (result.events.new, result.events.known) == (50, 5)
    assert [step.done for step in seen if step.phase == "writing"][-1] == 55
    assert {step.phase for step in seen} == {"reading", "writing"}


def test_progress_tells_bytes_and_rows_and_ends_at_the_end(site: Site) -> None:
    seen: list[ImportProgress] = []
    path = site.csv("orders.csv", *ROWS)
    site.run(LOG, path, progress=seen.append)
    assert (seen[0].phase, seen[0].file, seen[0].total) == ("reading", "orders.csv", path.stat().st_size)
    assert (seen[-1].phase, seen[-1].done, seen[-1].total, seen[-1].rows) == ("writing", 4, 4, 4)


def test_the_result_prints_as_json_and_the_run_is_on_record(site: Site) -> None:
    path = site.csv("orders.csv", *ROWS, "x")
    result = site.run(LOG + "  complete_through: last_event\n", path)
    plain = json.loads(json.dumps(result.as_dict()))
    assert (plain["events"]["new"], plain["rejected"], plain["complete"]) == (4, {"COLUMN_COUNT": 1}, True)
    assert plain["watermark"] == "2026-01-04T08:00:00+00:00"
    record = site.store.one("SELECT * FROM imports")
    assert (record["status"], record["rows_read"], record["rows_new"], record["rows_rejected"]) == (
        "done",
        5,
        4,
        1,
    )
    assert (record["file"], record["file_sha256"], record["bytes"]) == (
        "orders.csv",
        result.files[0].sha256,
        path.stat().st_size,
    )
    assert site.store.value("SELECT count() FROM import_rows") == 0


@pytest.mark.parametrize(
    ("said", "through"),
    [
        ("last_event", "2026-01-04T08:00"),
        ("2026-02-01T00:00:00Z", "2026-02-01"),
        ("2026-02-01", "2026-02-01"),
        ("none", None),
    ],
)
def test_a_file_proves_what_its_mapping_says_it_proves(site: Site, said: str, through: str | None) -> None:
    site.run(LOG + f"  complete_through: {said}\n", site.csv("orders.csv", *ROWS))
    found = [row["complete_through"] for row in site.store.rows("SELECT complete_through FROM watermarks")]
    assert found == ([utc(through)] if through else [])


def test_a_watermark_never_goes_back_and_is_written_once(site: Site) -> None:
    log = LOG + "  complete_through: last_event\n"
    site.run(log, site.csv("orders1.csv", *ROWS))
    site.run(log, site.csv("orders1.csv", *ROWS), now=NOW + timedelta(hours=1))
    earlier = site.run(log, site.csv("orders2.csv", *ROWS[:2]), now=NOW + timedelta(hours=2))
    assert earlier.watermark is None
    assert site.store.value("SELECT count() FROM watermarks") == 1


@pytest.mark.parametrize("ending", ["a1,Sent", "c3,Sent,2026-01-05T08:00:00Z,"])
def test_a_file_cut_in_its_last_line_proves_nothing(site: Site, ending: str) -> None:
    text = "\n".join([*ROWS, ending])
    result = site.run(LOG + "  complete_through: last_event\n", site.file("orders.csv", text))
    assert (result.complete, result.watermark) == (False, None)
    assert result.notes == (
        "orders.csv: the last line (6) has no line break, so the file may be cut off; nothing is taken as proven complete",
    )
    assert site.store.value("SELECT status FROM imports") == "incomplete"
    assert site.store.value("SELECT count() FROM watermarks") == 0


def test_a_gzip_that_breaks_off_imports_nothing_and_says_so(site: Site) -> None:
    packed = gzip.compress("\n".join([ROWS[0], *(f"o{n},Sent,2026-01-01," for n in range(20_000))]).encode())
    path = site.file("orders.csv.gz", packed[: len(packed) // 2])
    with pytest.raises(ImportFailedError, match=r"orders\.csv\.gz: the compressed data ends in the middle"):
        site.run(LOG + "  complete_through: last_event\n", path)
    assert site.events("step") == []
    assert site.store.value("SELECT status FROM imports") == "failed"
    assert site.store.value("SELECT count() FROM import_rows") == 0


def test_when_the_second_file_cannot_be_read_the_first_is_not_imported_either(site: Site) -> None:
    good, bad = site.csv("orders1.csv", *ROWS), site.file("orders2.csv", "")
    with pytest.raises(ImportFailedError, match=r"orders2\.csv: the first line holds no column names"):
        site.run(LOG, good, bad)
    assert site.events("step") == []


def test_a_missing_file_is_named(site: Site) -> None:
    with pytest.raises(ImportFailedError, match=r"gone\.csv: there is no such file"):
        site.run(LOG, site.folder / "gone.csv")


def test_a_needed_column_that_is_missing_stops_with_the_nearest_name(site: Site) -> None:
    with pytest.raises(
        ConfigurationError, match="no column 'order', which mapping 'orders' needs; did you mean 'Order'"
    ):
        site.run(LOG, site.csv("orders.csv", "Order,what,at,answer", "a1,Sent,2026-01-01,"))


def test_an_optional_column_that_is_missing_is_noted(site: Site) -> None:
    result = site.run(LOG, site.csv("orders.csv", "order,what,at", "a1,Sent,2026-01-01"))
    assert result.notes == ("orders.csv: has no column 'answer', so nothing is kept of it",)
    assert result.events.new == 1


def test_what_lies_after_until_is_held_back_and_the_tail_gives_exactly_that(site: Site) -> None:
    path, mapping = (
        site.csv("orders.csv", *ROWS, ROWS[3]),
        site.mapping(LOG + "  complete_through: last_event\n"),
    )
    until = utc("2026-01-03T08:00")
    result = site.run(mapping, path, until=until)
    assert (result.events.new, result.events.held_back, result.events.known) == (2, 3, 0)
    assert result.watermark == utc("2026-01-02T08:00")
    rest = tail(site.store, mapping, site.workflows["orders"], [path], until, NOW)
    assert rest.events.column("activity").to_pylist() == ["Sent", "Answer"]
    assert rest.events.column("step").to_pylist() == ["po.sent", "po.refused"]
    assert rest.events.column("object_keys").to_pylist() == [["B2"], ["B2"]]
    assert (rest.links.num_rows, rest.snapshots.num_rows) == (0, 0)
    assert site.store.value("SELECT count() FROM import_rows") == 0
    later = site.run(mapping, path, now=NOW + timedelta(hours=1))
    assert {key for (key,) in site.events("event_id")} >= set(rest.events.column("event_id").to_pylist())
    assert (later.events.new, later.events.known) == (2, 3)
