"""XES 2.0: attributes of events and traces, nesting, classifiers; what could harm is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from import_site import Site, utc

from collector.imports import ImportFailedError, xes
from collector.imports.rows import Rows
from collector.imports.source import Source

DATA = Path(__file__).parent / "data"

LOG = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="nested-attributes" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <global scope="event"><string key="concept:name" value="__INVALID__"/><date key="time:timestamp" value="1970-01-01T00:00:00Z"/></global>
  <classifier name="Activity" keys="concept:name lifecycle:transition"/>
  <classifier name="Odd" scope="event" keys="'two words' concept:name"/>
  <string key="source" value="test"/>
  <trace>
    <string key="concept:name" value="a1"><string key="region" value="north"/></string>
    <event>
      <string key="concept:name" value="Sent"/><string key="lifecycle:transition" value="complete"/>
      <date key="time:timestamp" value="2026-01-01T09:00:00.000+01:00"/>
      <float key="cost:total" value="12.50"><string key="cost:currency" value="EUR"/></float>
      <list key="cost:drivers"><values><string key="d" value="x"/><string key="d" value="y"/></values></list>
    </event>
    <event><string key="concept:name" value="Answer"/><string key="two words" value="w"/><date key="time:timestamp" value="2026-01-02T09:00:00Z"/></event>
  </trace>
  <trace><string key="concept:name" value="NA"/><event><string key="concept:name" value="Sent"/></event></trace>
  <trace><event><string key="concept:name" value="Lost"/></event></trace>
  <event><string key="concept:name" value="Alone"/><date key="time:timestamp" value="2026-01-03T09:00:00Z"/></event>
</log>
"""

MAPPING = """
mapping: orders
workflow: orders
format: xes
match: ["*.xes", "*.xes.gz"]
events:
  activity: concept:name
  time: time:timestamp
  objects: [{type: order, column: "case:concept:name"}]
  amount: {column: "cost:total", currency_column: "cost:total/cost:currency"}
  attributes: [answer]
"""


def read(site: Site, text: str) -> list[dict[str, str]]:
    source = Source(site.file("log.xes", text))
    return [
        dict(row)
        for item in xes.read(source, None)
        if isinstance(item, Rows)
        for row in item.fields.to_pylist()
    ]


def test_an_event_has_its_own_attributes_and_those_of_its_trace_by_path(site: Site) -> None:
    first, second, third, fourth, fifth = read(site, LOG)
    assert first == {
        "case:concept:name": "a1",
        "case:concept:name/region": "north",
        "concept:name": "Sent",
        "lifecycle:transition": "complete",
        "time:timestamp": "2026-01-01T09:00:00.000+01:00",
        "cost:total": "12.50",
        "cost:total/cost:currency": "EUR",
        "cost:drivers/0/d": "x",
        "cost:drivers/1/d": "y",
        "classifier:Activity": "Sent+complete",
        "classifier:Odd": "+Sent",
    }
    assert (second["classifier:Activity"], second["classifier:Odd"]) == ("Answer+", "w+Answer")
    assert (third["case:concept:name"], "time:timestamp" in third) == ("NA", False)
    assert "case:concept:name" not in fourth
    assert "case:concept:name" not in fifth


def test_events_are_imported_and_unusable_ones_set_aside(site: Site) -> None:
    result = site.run(MAPPING, site.file("log.xes.gz", gzip.compress(LOG.encode())))
    assert site.events("step", "objects.key", "occurred_at", "amount", "currency")[0] == (
        "po.sent", ["A1"], utc("2026-01-01T08:00"), 12.5, "EUR",
    )  # fmt: skip
    assert site.rejects("line", "reason") == [(3, "TIME_EMPTY"), (4, "TIME_EMPTY"), (5, "KEY_EMPTY")]
    assert (result.rows_read, result.events.new) == (5, 2)
    assert "log.xes.gz: has no column 'answer', so nothing is kept of it" in result.notes


def test_a_classifier_can_name_the_activity(site: Site) -> None:
    log = MAPPING.replace("activity: concept:name", "activity: 'classifier:Activity'")
    assert site.run(log, site.file("log.xes", LOG)).unmapped == {"Sent+complete": 1, "Answer+": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE log [<!ENTITY a "x">]>' + LOG.split("?>", 1)[1], "holds a document type"),
        ('<!DOCTYPE log SYSTEM "http://127.0.0.1:9/x.dtd">' + LOG.split("?>", 1)[1], "holds a document type"),
        (LOG[: LOG.index("Answer")], "breaks off or is not well formed at line .*, after event 1"),
        (LOG.replace("</trace>", "</tarce>", 1), "not well formed"),
        ("<html><body/></html>", "is no XES log"),
        ("<x>" + LOG.split("?>", 1)[1] + "</x>", "is no XES log"),
        ("", "breaks off or is not well formed"),
    ],
)
def test_what_is_no_plain_whole_log_is_refused_and_nothing_is_imported(
    site: Site, text: str, message: str
) -> None:
    with pytest.raises(ImportFailedError, match=message):
        site.run(MAPPING, site.file("log.xes", text))
    assert site.events("step") == []


def test_a_log_that_pm4py_wrote_gives_the_same_events_as_the_csv_it_was_made_from(site: Site) -> None:
    rows = [
        dict(row)
        for item in xes.read(Source(DATA / "pm4py_hospital.xes.gz"), None)
        for row in item.fields.to_pylist()
    ]  # type: ignore[union-attr]
    assert {row["case:concept:name"] for row in rows} == {"A", "B", "C", "NA", "XS"}
    assert rows[0] == {
        "case:concept:name": "A", "concept:name": "NEW", "time:timestamp": "2012-12-16T19:33:10+00:00", "resource": "ResA",
        "casetype": "A", "speciality": "A", "state": "In progress", "activity_instance_id": "1",
    }  # fmt: skip
