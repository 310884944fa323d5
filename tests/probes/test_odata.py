"""The odata kind, against a real HTTP server that answers in the shapes OASIS and SAP document.

Version 4: OData JSON Format 4.0 §12 to §15 and 4.01 §15 (docs.oasis-open.org/odata/odata-json-format). Version 2: JSON
Format of odata.org (documentation/odata-version-2-0/json-format) §4 and §5; `__delta`: SAP Gateway, "Delta Query
Support" (help.sap.com/saphelp_gateway20sp12). Programs nobody here wrote: test_odata_of_cap.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from probes.probe import ProbeFile, Window
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from tests.probes.source import rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
FIVE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def running() -> Iterator[Api]:
    api = Api()
    with serving(api.app, date_header=False) as address:
        api.address = address
        yield api


@pytest.fixture
def api(running: Api) -> Api:
    running.asked.clear()
    return running


def odata(make_probe: MakeProbe, api: Api, **keys: Any) -> ProbeFile:
    client = {"base_url": f"{api.url}/service"} | keys.pop("client", {})
    keys.setdefault("object", {"key": "No", "fields": {"status": "Status"}})
    return make_probe(kind="odata", client=client, entity_set="Orders", **keys)


def rows(probe: ProbeFile, cursor: str = "") -> list[dict[str, Any]]:
    return [row for batch in probe.read(Window(end=NOW, cursor=cursor)) for row in batch.records.to_pylist()]


def test_version_4_is_read_along_its_links_and_asked_for_no_more_than_the_columns(
    make_probe: MakeProbe, api: Api
) -> None:
    def answer(request: Request) -> Any:
        if "$skiptoken" in request.query_params:
            return {"@odata.context": "x", "value": [{"No": "3", "Status": "open", "Supplier": None}]}
        page = [{"No": "1", "Status": "open", "Supplier": {"Name": "A"}}, {"No": "2", "Status": "paid"}]
        return {"@odata.context": "x", "value": page, "@odata.nextLink": "Orders?$skiptoken=2"}

    api.answer = answer
    state = {"key": "No", "fields": {"status": "Status", "supplier": "Supplier.Name"}}
    probe = odata(
        make_probe, api, object=state, filter="Company eq 'H1'", expand="Supplier($select=Name)", orderby="No",
        page_size=2, params={"tenant": 7},
    )  # fmt: skip
    assert [(row["No"], row["Supplier.Name"]) for row in rows(probe)] == [
        ("1", "A"),
        ("2", None),
        ("3", None),
    ]
    assert api.queries() == [
        {
            "$select": "No,Status", "$filter": "Company eq 'H1'", "$expand": "Supplier($select=Name)",
            "$orderby": "No", "tenant": "7",
        },
        {"$skiptoken": "2"},
    ]  # fmt: skip
    assert {request.headers["prefer"] for request in api.asked} == {"odata.maxpagesize=2"}


def test_version_2_has_its_own_envelope_times_and_literals(make_probe: MakeProbe, api: Api) -> None:
    record = {
        "__metadata": {"uri": "x"}, "No": "1", "Status": "open", "Total": "10.50",
        "ChangedAt": "/Date(1793527200000+0000)/", "OrderedOn": "/Date(1793491200000)/",
        "to_Item": {"results": [{"Position": "10"}]},
    }  # fmt: skip
    api.answer = lambda request: (
        {"d": {"results": [{"No": "2"}]}}
        if "$skiptoken" in request.query_params
        else {"d": {"results": [record], "__next": f"{api.url}/service/Orders?$skiptoken='1'"}}
    )
    state = {
        "key": "No", "valid_from": "ChangedAt", "fields": {"on": "OrderedOn", "items": "to_Item"},
        "amount": {"column": "Total", "currency": "EUR"},
    }  # fmt: skip
    rule = {"cursor_path": "ChangedAt", "overlap": "0s"}
    probe = odata(
        make_probe, api, version=2, object=state, sap_client=100, expand="to_Item", mode="incremental",
        incremental=rule, filter="Plant eq '1' or Plant eq '2'",
    )  # fmt: skip
    first, second = rows(probe, "2026-11-01T10:00:00Z")
    assert first == {
        "No": "1", "ChangedAt": "2026-11-01T10:00:00Z", "OrderedOn": "2026-11-01T00:00:00", "Total": "10.50",
        "to_Item": '[{"Position": "10"}]',
    }  # fmt: skip
    assert second["No"] == "2"
    asked = api.queries()[0]
    assert asked["$filter"] == (
        "(Plant eq '1' or Plant eq '2') and ChangedAt ge datetimeoffset'2026-11-01T10:00:00Z'"
    )
    assert (asked["$format"], asked["sap-client"]) == ("json", "100")
    assert asked["$select"] == "No,ChangedAt,OrderedOn,to_Item,Total"


@pytest.mark.parametrize(
    ("version", "rule", "expected"),
    [
        (4, {}, "At ge 2026-11-01T10:00:00Z"),
        (4, {"literal": "date"}, "At ge 2026-11-01"),
        (4, {"cursor_path": "Head.At"}, "Head/At ge 2026-11-01T10:00:00Z"),
        (2, {"type": "local_time"}, "At ge datetime'2026-11-01T11:00:00'"),
        (2, {"literal": "date"}, "At ge datetime'2026-11-01T00:00:00'"),
        (4, {"type": "number"}, "At ge 17"),
        (4, {"type": "text"}, "At ge 'O''Neill'"),
    ],
)
def test_a_cursor_is_written_as_its_type_and_version_want_it(
    make_probe: MakeProbe, api: Api, version: int, rule: dict[str, str], expected: str
) -> None:
    api.answer = lambda _: {"value": []} if version == 4 else {"d": {"results": []}}
    rule = {"cursor_path": "At", **rule}
    probe = odata(
        make_probe, api, version=version, mode="incremental", incremental=rule, timezone="Europe/Rome"
    )
    rows(probe, {"number": "17", "text": "O'Neill"}.get(rule.get("type", ""), "2026-11-01T10:00:00Z"))
    assert api.queries()[0]["$filter"] == expected


def test_a_link_with_the_inner_host_of_a_gateway_is_asked_for_where_we_are(
    make_probe: MakeProbe, api: Api
) -> None:
    api.answer = lambda request: (
        {"value": [{"No": "2"}]}
        if "$skiptoken" in request.query_params
        else {
            "value": [{"No": "1"}],
            "@odata.nextLink": "http://inner.example:8000/x/Orders?$skiptoken=a%20b&f=c+d",
        }
    )
    assert [row["No"] for row in rows(odata(make_probe, api, filter="A eq 'b c+d'"))] == ["1", "2"]
    assert [request.url.path for request in api.asked] == ["/service/Orders"] * 2
    assert b"%20eq%20%27b%20c%2Bd%27" in api.asked[0].scope["query_string"]
    assert api.asked[1].scope["query_string"] == b"$skiptoken=a%20b&f=c+d"


def test_pages_may_be_skipped_over_where_a_service_gives_no_links(make_probe: MakeProbe, api: Api) -> None:
    records = [{"No": str(number)} for number in range(5)]

    def answer(request: Request) -> Any:
        start = int(request.query_params["$skip"])
        return {"value": records[start : start + int(request.query_params["$top"])]}

    api.answer = answer
    probe = odata(make_probe, api, paging="skip", page_size=2, orderby="No")
    assert [row["No"] for row in rows(probe)] == ["0", "1", "2", "3", "4"]


def test_fewer_records_than_the_source_counts_are_not_believed(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = lambda _: {
        "@odata.count": 2,
        "value": [{"No": "1", "Status": "a"}, {"No": "2", "Status": "a"}],
    }
    probe = odata(make_probe, api, count=True)
    assert run_probe(store, probe, workflow, NOW).status == "ok"
    api.answer = lambda _: {"@odata.count": 2, "value": [{"No": "1", "Status": "a"}]}
    short = run_probe(store, probe, workflow, NOW + FIVE)
    assert (short.status, short.error_code, short.deleted) == ("failed", "count_mismatch", 0)
    assert "announced 2 records and gave 1" in short.error
    old = odata(make_probe, api, count=True, version=2)
    api.answer = lambda _: {"d": {"__count": "3", "results": [{"No": "1"}]}}
    assert run_probe(store, old, workflow, NOW + 2 * FIVE).error_code == "count_mismatch"
    assert api.queries()[-1]["$inlinecount"] == "allpages"


class Tracked:
    """A service that tracks changes, by version: the documented envelopes, and a token that can expire."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.all: list[dict[str, Any]] = [{"No": "1", "Status": "a"}, {"No": "2", "Status": "a"}]
        self.changes: list[dict[str, Any]] = []
        self.token, self.expired = 1, False

    def __call__(self, request: Request) -> Any:
        name = "$deltatoken" if self.version == 4 else "!deltatoken"
        if name not in request.query_params:
            return self._enveloped(self.all)
        if self.expired or request.query_params[name] != f"t{self.token}":
            body = {"error": {"code": "TOKEN/410", "message": "Mrs Doe's token is old"}}
            return JSONResponse(body, 410)
        changes, self.changes = self.changes, []
        self.token += 1
        return self._enveloped(changes)

    def _enveloped(self, records: list[dict[str, Any]]) -> Any:
        link = f"Orders?{'$' if self.version == 4 else '!'}deltatoken=t{self.token}"
        if self.version == 4:
            return {"@odata.context": "x", "value": records, "@odata.deltaLink": link}
        return {"d": {"results": records, "__delta": link}}


@pytest.mark.parametrize(
    "removed",
    [
        {"@removed": {"reason": "deleted"}, "@id": "Orders('2')"},
        {"@removed": {"reason": "changed"}, "No": "2"},
        {
            "@odata.context": "x#Orders/$deletedEntity",
            "id": "http://h/service/Orders(No='2')",
            "reason": "deleted",
        },
    ],
)
def test_changes_and_deletions_come_along_the_stored_delta_link(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api, removed: dict[str, Any]
) -> None:
    api.answer = source = Tracked(4)
    probe = odata(make_probe, api, mode="delta")
    first = run_probe(store, probe, workflow, NOW)
    assert (first.status, first.changed, first.complete_through) == ("ok", 2, NOW)
    assert api.asked[0].headers["prefer"] == "odata.track-changes"
    source.changes = [
        {"No": "1", "Status": "b"},
        removed,
        {"@odata.context": "x#Orders/$link", "source": "Orders('1')", "relationship": "Lines", "target": "L"},
    ]
    second = run_probe(store, probe, workflow, NOW + FIVE)
    assert (second.status, second.read, second.changed, second.rejected) == ("ok", 2, 2, 0)
    assert [(s["object_key"], s["deleted"]) for s in states(store)][2:] == [("1", False), ("2", True)]
    third = run_probe(store, probe, workflow, NOW + 2 * FIVE)
    assert (third.status, third.read, third.changed, third.deleted) == ("ok", 0, 0, 0)
    assert third.cursor.endswith("$deltatoken=t3") or third.cursor.endswith("%24deltatoken=t3")


def test_an_expired_delta_link_makes_a_full_reading_that_finds_what_is_gone(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = source = Tracked(4)
    probe = odata(make_probe, api, mode="delta")
    run_probe(store, probe, workflow, NOW)
    source.all, source.expired, source.token = [{"No": "1", "Status": "c"}], True, 9
    again = run_probe(store, probe, workflow, NOW + FIVE)
    assert (again.status, again.read, again.deleted, again.changed) == ("ok", 1, 1, 2)
    source.expired = False
    assert run_probe(store, probe, workflow, NOW + 2 * FIVE).read == 0


def test_another_question_does_not_use_the_link_of_the_first(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = Tracked(4)
    run_probe(store, odata(make_probe, api, mode="delta"), workflow, NOW)
    other = odata(make_probe, api, mode="delta", filter="Status eq 'a'")
    assert run_probe(store, other, workflow, NOW + FIVE).read == 2


def test_version_2_says_deleted_in_a_column(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = source = Tracked(2)
    source.all = [{"No": number, "Status": "a", "ODQ_CHANGEMODE": "C"} for number in "12"]
    probe = odata(make_probe, api, version=2, mode="delta", deleted_when={"ODQ_CHANGEMODE": "D"})
    assert run_probe(store, probe, workflow, NOW).changed == 2
    source.changes = [{"No": "2", "Status": "", "ODQ_CHANGEMODE": "D"}, {"No": "1", "ODQ_CHANGEMODE": "U"}]
    run_probe(store, probe, workflow, NOW + FIVE)
    assert [(s["object_key"], s["deleted"]) for s in states(store)][2:] == [("1", False), ("2", True)]


def test_a_removal_nobody_can_place_is_set_aside_and_a_link_that_does_not_come_is_said(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = source = Tracked(4)
    probe = odata(make_probe, api, mode="delta", max_rejected_ratio=1)
    run_probe(store, probe, workflow, NOW)
    source.changes = [{"@removed": {}, "@id": "http://h/opaque"}]
    done = run_probe(store, probe, workflow, NOW + FIVE)
    assert (done.status, done.error_code, done.rejected) == ("partial", "records_set_aside", 1)
    assert rejects(store) == [("bad_line", "a removed entity whose address has no usable key")]
    api.answer = lambda _: {"value": [{"No": "1"}]}
    other = odata(make_probe, api, mode="delta", filter="Status eq 'x'")
    assert run_probe(store, other, workflow, NOW + 2 * FIVE).error_code == "no_delta_link"


def test_a_refusal_is_told_with_its_code_and_without_its_message(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    body = {"error": {"code": "/IWBEP/CM_MGW_RT/021", "message": {"value": "patient Jane Doe"}}}
    api.answer = lambda _: JSONResponse(body, 400)
    done = run_probe(store, odata(make_probe, api), workflow, NOW)
    assert done.error_code == "http_status"
    assert "(error /IWBEP/CM_MGW_RT/021)" in done.error
    assert "Jane" not in done.error


def test_money_of_an_expanded_entity_stays_exact(
    store: Store, make_probe: MakeProbe, workflow: Workflow, api: Api
) -> None:
    api.answer = lambda _: JSONResponse({"value": [{"No": "1", "Sum": {"Net": 0.1, "Cur": "EUR"}}]})
    amount = {"column": "Sum.Net", "currency_column": "Sum.Cur"}
    run_probe(store, odata(make_probe, api, object={"key": "No", "amount": amount}), workflow, NOW)
    assert states(store)[0]["amount"] == Decimal("0.1")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mode": "incremental"}, "'mode: incremental' and the key 'incremental' go together"),
        ({"paging": "skip", "page_size": 5}, "'paging: skip' needs 'page_size', and 'orderby'"),
        ({"paging": "skip", "page_size": 5, "orderby": "No", "mode": "delta"}, "leave out 'paging'"),
        ({"version": 3}, "version"),
        ({"sap_client": "abc"}, "sap_client"),
    ],
)
def test_keys_that_do_not_fit_are_findings(
    make_probe: MakeProbe, api: Api, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        odata(make_probe, api, **keys)
