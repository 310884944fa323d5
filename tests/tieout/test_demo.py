"""The README's first command on real data, and what its user does next."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import raw_logs
from processes import ROOT, Up, tieout

from store.client import Store
from store.folder import running
from tests.ports import free_port
from tieout.scaffold import create


@dataclass(frozen=True)
class Demo:
    folder: Path
    summary: dict[str, Any]

    def ask(self, *arguments: str) -> Any:
        """A command on the demo's project, as JSON."""
        ran = tieout(*arguments, "--project", str(self.folder), "--json")
        assert ran.code in (0, 1), ran.err
        return ran.json


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    ran = tieout("demo", "--once", "--json", "--dir", str(folder))
    assert ran.code == 0, ran.err
    return Demo(folder, ran.json)


def billing(demo: Demo) -> dict[str, Any]:
    return dict(demo.summary["workflows"]["hospital_billing"])


def procurement(demo: Demo) -> dict[str, Any]:
    return dict(demo.summary["workflows"]["procure_to_payment"])


def kpi(workflow: dict[str, Any], name: str, measure: str) -> dict[str, Any]:
    return next(row for row in workflow["kpis"] if (row["kpi"], row["measure"]) == (name, measure))


def test_every_billing_case_of_the_file_is_an_item(demo: Demo) -> None:
    rows = raw_logs.billing()
    cases = {row["case_id"] for row in rows}
    billed = {row["case_id"] for row in rows if row["activity"] == "BILLED"}
    assert (len(cases), len(billed), "NA" in cases) == (10_000, 6_962, True)
    found = billing(demo)
    assert found["items"] == len(cases)
    assert found["items_that_reached"]["bill.dropped"] == len(billed)
    assert sum(row["items"] for row in found["items_by_stage"]) == len(cases)


def test_every_row_of_the_files_is_accounted_for(demo: Demo) -> None:
    tables = raw_logs.procurement()
    imports = {one["source"]: one for one in demo.summary["imports"]}
    assert imports["hospital_billing"]["rows_read"] == len(raw_logs.billing())
    assert imports["hospital_billing"]["events"]["new"] == len(raw_logs.billing())
    assert imports["procure_to_payment"]["events"]["new"] == len(tables["event"]) == 14_671
    for one in imports.values():
        assert one["rejected"] == {}
        assert one["unmapped"] == {}


def test_surplus_payments_are_those_of_the_file(demo: Demo) -> None:
    times, amounts = raw_logs.payments(raw_logs.procurement())
    surplus = sum(count - 1 for count in times.values())
    money = sum((count - 1) * amounts[payment] for payment, count in times.items())
    assert (sum(count > 1 for count in times.values()), surplus) == (188, 239)
    rule = next(row for row in procurement(demo)["exceptions"] if row["expectation"] == "paid_once")
    assert rule["open"] == surplus
    assert Decimal(rule["amount"]) == money
    ties = next(
        row for row in procurement(demo)["exceptions"] if row["expectation"] == "payment_ties_to_invoice"
    )
    assert (ties["open"], Decimal(ties["amount"])) == (188, money)


def test_dangling_invoices_and_missing_requisitions_are_those_of_the_file(demo: Demo) -> None:
    tables = raw_logs.procurement()
    open_by_rule = {row["expectation"]: row["open"] for row in procurement(demo)["exceptions"]}
    assert open_by_rule["invoice_reference"] == raw_logs.dangling_invoices(tables) == 1_014
    assert open_by_rule["requisition_exists"] == raw_logs.requisitions_without_creation(tables) == 198


@pytest.mark.slow
def test_what_matching_rules_say_is_what_the_files_say(demo: Demo) -> None:
    def states(workflow: dict[str, Any], rule: str) -> dict[str, int]:
        return {row["state"]: row["verdicts"] for row in workflow["verdicts"] if row["expectation"] == rule}

    def not_none(counts: dict[str, int]) -> dict[str, int]:
        return {state: count for state, count in counts.items() if count}

    packages = raw_logs.released_and_billed(raw_logs.billing(), timedelta(days=200))
    assert states(billing(demo), "bill_released") == not_none({
        "MATCHED": packages["both"], "MISSING": packages["released only"], "ORPHAN": packages["billed only"],
        "NOT_DUE": packages["not due"],
    })  # fmt: skip
    tables = raw_logs.procurement()
    exact, unpaid, differing, surplus = raw_logs.invoices_and_payments(tables)
    assert states(procurement(demo), "invoice_paid") == not_none(
        {"MATCHED": exact, "MISSING": unpaid, "MISMATCH": differing}
    )
    assert (exact, differing) == (739, 188)
    rule = next(row for row in procurement(demo)["exceptions"] if row["expectation"] == "invoice_paid")
    assert (rule["open"], Decimal(rule["amount"])) == (differing, surplus)
    received = raw_logs.receipts_with_invoice_and_evaluation(tables)
    assert states(procurement(demo), "receipt_invoiced") == {"MATCHED": received}
    # A doubly paid invoice: its explanation names the rule, and `match explain` what would have matched.
    paid_twice = demo.ask("match", "list", "--rule", "invoice_paid", "--state", "MISMATCH", "--limit", "1")
    (invoice, *_) = paid_twice["matches"][0]["records"]
    story = demo.ask("explain", f"{invoice}")["stories"][0]
    (said,) = [one for one in story["findings"] if one["expectation"] == "invoice_paid"]
    assert (said["state"], said["failing"]) == ("MISMATCH", True)
    assert said["title"] == "Invoices are paid, and no more than that"
    assert "Recover what was paid too much" in said["todo"]
    assert "invoice " in said["sentence"]
    assert "payment " in said["sentence"]
    (why,) = demo.ask("match", "explain", invoice)["stories"]
    assert (why["rule"], why["verdict"]) == ("invoice_paid", "mismatch")
    assert "0 is allowed" in why["would_match"][0]


def test_the_kpis_of_the_issue_are_there_for_both_workflows(demo: Demo) -> None:
    wanted = {
        "K01",
        "K02",
        "K03",
        "K04",
        "K05",
        "K06",
        "K08",
        "K10",
        "K12",
        "K16",
        "K17",
        "K18",
        "K20",
        "K21",
        "K24",
        "K25",
        "K26",
    }
    for workflow in (billing(demo), procurement(demo)):
        assert wanted <= {row["kpi"] for row in workflow["kpis"]}
    open_ones = sum(row["open"] for row in billing(demo)["exceptions"])
    assert kpi(billing(demo), "K03", "open")["value"] == open_ones == billing(demo)["open_exceptions"]


@pytest.mark.slow
def test_running_it_again_changes_nothing(demo: Demo) -> None:
    ran = tieout("demo", "--once", "--json", "--dir", str(demo.folder))
    assert ran.code == 0, ran.err
    again = ran.json
    for one in again["imports"]:
        assert one["new"] == 0
    for name, workflow in demo.summary["workflows"].items():
        assert {key: again["workflows"][name][key] for key in workflow} == workflow


def test_explain_tells_of_a_stuck_billing_case(demo: Demo) -> None:
    story = demo.ask("explain", "NA")["stories"][0]
    assert story["object_key"] == "NA"
    assert "stands at 'Package opened'" in story["headline"]
    assert [entry["kind"] for entry in story["timeline"]] == ["event", "due"]
    assert story["findings"][0]["state"] == "MISSING"
    assert "ask the treating department" in story["findings"][0]["todo"].lower()


@pytest.mark.slow
def test_explain_tells_of_a_doubly_paid_order(demo: Demo) -> None:
    story = demo.ask("explain", "purchase_order:4")["stories"][0]
    paid = [entry for entry in story["timeline"] if entry["step"] == "payment.sent"]
    assert len(paid) == 3
    assert [one["state"] for one in story["findings"] if one["failing"]].count("DUP_CONFIRMED") == 2
    assert "Payment executed came again" in story["headline"]
    assert any("paid 87,900.00" in one["sentence"] for one in story["findings"])


def test_an_unknown_key_is_said_to_be_unknown(demo: Demo) -> None:
    ran = tieout("explain", "no-such-key", "--project", str(demo.folder))
    assert ran.code == 2
    assert "nothing is known of 'no-such-key'" in ran.err


@pytest.mark.slow
def test_ageing_by_owner_adds_up_to_all_open_exceptions(demo: Demo) -> None:
    rows = demo.ask("exceptions", "list", "--by", "owner", "--workflow", "hospital_billing")["exceptions"]
    assert sum(row["total"] for row in rows) == billing(demo)["open_exceptions"]
    for row in rows:
        assert (
            sum(row[bucket] for bucket in ("0-1", "2-3", "4-7", "8-30", "31-60", "61-90", ">90"))
            == row["total"]
        )


@pytest.mark.slow
def test_an_exception_can_be_given_to_somebody_and_closed_by_hand(demo: Demo) -> None:
    first = demo.ask(
        "exceptions", "list", "--workflow", "procure_to_payment", "--expectation", "paid_once", "--limit", "1"
    )
    exception = first["exceptions"][0]["exception_id"]
    demo.ask("exceptions", "assign", exception, "--to", "ann", "--by", "test")
    mine = demo.ask("exceptions", "list", "--owner", "ann", "--workflow", "procure_to_payment")["exceptions"]
    assert [row["exception_id"] for row in mine] == [exception]
    demo.ask(
        "exceptions",
        "resolve",
        exception,
        "--by",
        "ann",
        "--note",
        "recovered from the supplier",
        "--reason",
        "recovered",
    )
    assert (
        demo.ask("exceptions", "list", "--owner", "ann", "--workflow", "procure_to_payment")["exceptions"]
        == []
    )
    demo.ask("exceptions", "reopen", exception, "--by", "ann")
    assert (
        len(
            demo.ask("exceptions", "list", "--owner", "ann", "--workflow", "procure_to_payment")["exceptions"]
        )
        == 1
    )


@pytest.mark.slow
def test_a_figure_of_the_past_is_asked_for_by_date(demo: Demo) -> None:
    now = demo.ask("kpi", "show", "K03", "--workflow", "hospital_billing")["figures"]
    past = demo.ask("kpi", "show", "K03", "--workflow", "hospital_billing", "--as-of", "2014-06-30")[
        "figures"
    ]
    assert {row["measure"] for row in now} == {row["measure"] for row in past}
    assert past[0]["as_of"].startswith("2014-06-30")
    assert past != now


@pytest.mark.slow
def test_alert_rules_fire_on_the_demo_and_their_tests_pass(demo: Demo) -> None:
    assert any(alert["state"] == "firing" for alert in demo.ask("alerts", "list")["alerts"])
    tests = demo.ask("alerts", "test")["tests"]
    assert tests
    assert {test["result"] for test in tests} == {"ok"}


@pytest.mark.slow
def test_commands_talk_to_the_running_process_and_a_second_one_is_refused(
    demo: Demo, up: Callable[..., Up]
) -> None:
    started = up(demo.folder)
    assert demo.ask("explain", "NA")["stories"][0]["findings"][0]["state"] == "MISSING"
    began = time.monotonic()
    second = tieout(
        "up", "--project", str(demo.folder), "--only", "collector",
        TIEOUT_LISTEN__STORE=f"127.0.0.1:{free_port()}", TIEOUT_LISTEN__OTLP=f"127.0.0.1:{free_port()}",
    )  # fmt: skip
    assert second.code == 3
    assert time.monotonic() - began < 20
    assert f"process {started.process.pid}" in second.err
    assert started.url("store") in second.err


def test_a_busy_port_is_named_with_the_setting_to_change(tmp_path: Path) -> None:
    create(tmp_path / "site", ROOT / "examples" / "demo")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = tieout("up", "--project", str(tmp_path / "site"), TIEOUT_LISTEN__STORE=f"127.0.0.1:{port}")
    assert busy.code == 3
    assert f"127.0.0.1:{port} cannot be used" in busy.err
    assert "listen.store" in busy.err


@pytest.mark.slow
def test_a_killed_process_starts_again_with_everything(demo: Demo, up: Callable[..., Up]) -> None:
    first = up(demo.folder)
    before = counts(demo.folder)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(30)
    up(demo.folder)
    assert counts(demo.folder) == before


def counts(folder: Path) -> dict[str, int]:
    """Rows of the fact tables, read over HTTP from the running process."""
    live = running(folder / "store")
    assert live is not None
    with Store(live.store_url, token=live.reader_token.get_secret_value(), read_only=True) as store:
        return {
            table: store.value("SELECT count() FROM {table:Identifier}", {"table": table})
            for table in ("events", "object_links", "snapshots", "expectations", "leg_members")
        }
