"""Every way a workflow file can be wrong is a finding at its place; the shipped files have none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from workflows.load import SHIPPED, load_workflows
from workflows.model import Workflow

HEAD = """\
workflow: invoices
title: Invoices
item: invoice
sources: [books]
objects:
  invoice: {title: Invoice}
  order: {title: Order}
steps:
  received: {title: Received, select: [{name: R}]}
  paid: {title: Paid, select: [{name: P}], sources: [bank]}
  returned: {title: Returned, select: [{name: B}]}

expectations:
"""
SEQUENCE = """\
  - name: payment
    title: Paid in time
    kind: sequence
    item: invoice
    after: [received]
    expect: [paid]
    within: 30d
    owner: treasury
"""
TIE_OUT = """\
  - name: tie
    title: Paid what was invoiced
    kind: tie_out
    item: invoice
    after: [received]
    legs:
      invoiced: {step: received}
      paid: {step: paid}
    owner: treasury
"""
OTHERS = """\
  - {name: first, title: T, kind: precedence, item: invoice, step: paid, requires: [received], owner: treasury}
  - {name: once, title: T, kind: once, item: invoice, step: paid, reset_by: [returned], owner: treasury}
  - {name: known, title: T, kind: reference, item: invoice, link: {role: for, to: order}, owner: buyers}
"""
GOOD = HEAD + SEQUENCE + TIE_OUT + OTHERS


def findings(folder: Path, text: str) -> list[str]:
    """What is wrong with a folder that holds just this file."""
    file = folder / "flow.yaml"
    file.write_text(text, encoding="utf-8")
    found = load_workflows(folder)
    assert (found[0] == {}) == bool(found[1])
    return [finding.text().removeprefix(f"{file}:") for finding in found[1]]


def test_the_file_these_tests_break_is_good(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        # Names that must exist elsewhere in the file.
        ("item: invoice\nsources", "§item: invoise\nsources", "unknown object type 'invoise'; allowed: invoice, order; did you mean 'invoice'?"),
        ("    item: invoice\n    after: [received]\n    expect", "    §item: bill\n    after: [received]\n    expect", "unknown object type 'bill'; allowed: invoice, order"),
        ("after: [received]\n    expect", "after: [§recieved]\n    expect", "unknown step 'recieved'; allowed: paid, received, returned; did you mean 'received'?"),
        ("expect: [paid]", "expect: [paid, §pied]", "unknown step 'pied'; allowed: paid, received, returned; did you mean 'paid'?"),
        ("within: 30d\n", "within: 30d\n    void_by: [§x]\n", "unknown step 'x'; allowed: paid, received, returned"),
        ("within: 30d\n", "within: 30d\n    write_off_by: [§x]\n", "unknown step 'x'; allowed: paid, received, returned"),
        ("within: 30d\n", "within: 30d\n    reversed_by: [§x]\n", "unknown step 'x'; allowed: paid, received, returned"),
        ("within: 30d\n", "within: 30d\n    failed_by: [§x]\n", "unknown step 'x'; allowed: paid, received, returned"),
        ("within: 30d\n", "within: 30d\n    again_after: [§x]\n", "unknown step 'x'; allowed: paid, received, returned"),
        ("invoiced: {step: received}", "invoiced: {§step: recieved}", "unknown step 'recieved'; allowed: paid, received, returned; did you mean 'received'?"),
        ("invoiced: {step: received}", "invoiced: {links: [{role: for, §to: ordr}]}", "unknown object type 'ordr'; allowed: invoice, order; did you mean 'order'?"),
        ("step: paid, requires", "§step: pad, requires", "unknown step 'pad'; allowed: paid, received, returned; did you mean 'paid'?"),
        ("requires: [received]", "requires: [§recieved]", "unknown step 'recieved'; allowed: paid, received, returned; did you mean 'received'?"),
        ("step: paid, reset_by", "§step: pad, reset_by", "unknown step 'pad'; allowed: paid, received, returned; did you mean 'paid'?"),
        ("reset_by: [returned]", "reset_by: [§retuned]", "unknown step 'retuned'; allowed: paid, received, returned; did you mean 'returned'?"),
        ("to: order}, owner", "§to: ordr}, owner", "unknown object type 'ordr'; allowed: invoice, order; did you mean 'order'?"),
        # Rules that cannot work.
        ("- name: tie", "- §name: payment", "expectation 'payment' is defined twice"),
        ("expect: [paid]", "§expect: [paid, received]", "a step cannot be both in 'after' and in 'expect'"),
        ("within: 30d\n", "within: 30d\n    §void_by: [received]\n", "a step cannot be both in 'after' and in 'void_by'"),
        ("within: 30d\n", "within: 30d\n    §write_off_by: [received]\n", "a step cannot be both in 'after' and in 'write_off_by'"),
        ("requires: [received]", "§requires: [paid]", "a step cannot require itself"),
        ("reset_by: [returned]", "§reset_by: [paid]", "a step cannot reset itself"),
        ("invoiced: {step: received}", "§invoiced: {}", "a leg has either 'links' or 'step'"),
        ("invoiced: {step: received}", "§invoiced: {step: received, links: [{role: for, to: order}]}", "a leg has either 'links' or 'step'"),
        # What the model itself refuses.
        ("workflow: invoices", "§workflow: In voices", "workflow: String should match pattern '^[a-z][a-z0-9_]*$'"),
        ("sources: [books]", "§sources: []", "sources: Tuple should have at least 1 item after validation, not 0"),
        ("paid: {title: Paid, select: [{name: P}]", "paid: {title: Paid, §select: []", "steps.paid.select: Tuple should have at least 1 item after validation, not 0"),
        ("within: 30d", "§within: a month", "expectations.0.sequence.within: a duration is written like 90s, 15m, 2h, 3d or 1d 12h, or in business time like 3bd or 8bh"),
        ("- name: payment\n    title: Paid in time\n    kind: sequence", "- §name: payment\n    title: Paid in time\n    kind: sequense",
            "expectations.0: Input tag 'sequense' found using 'kind' does not match any of the expected tags: "
            "'sequence', 'precedence', 'once', 'reference', 'landed', 'traced', 'tie_out'; allowed: 'sequence', 'precedence', 'once', 'reference', 'landed', 'traced', 'tie_out'; did you mean 'sequence'?"),
        ("    owner: treasury\n  - name: tie", "    §ownr: treasury\n    owner: treasury\n  - name: tie", "unknown key 'ownr'; allowed: after, again_after, calendar, clock, code, expect, "
            "failed_by, item, kind, learn, name, owner, reversed_by, runbook, title, void_by, within, write_off_by; did you mean 'owner'?"),
        ("- name: payment\n    title: Paid in time\n", "- §name: payment\n", "key 'title' is missing"),
        ("    legs:\n      invoiced: {step: received}\n      paid: {step: paid}\n", "    §legs:\n      invoiced: {step: received}\n", "expectations.1.tie_out.legs: Dictionary should have at least 2 items after validation, not 1"),
        ("    legs:\n      invoiced", "    §legs:\n      more: {step: paid}\n      invoiced", "expectations.1.tie_out.legs: Dictionary should have at most 2 items after validation, not more"),
        ("within: 30d\n", "within: 30d\n    learn: {§quantile: 1.5}\n", "expectations.0.sequence.learn.quantile: Input should be less than or equal to 1"),
        ("within: 30d\n", "within: 30d\n    §learn: {floor: 2h, cap: 1h}\n", "expectations.0.sequence.learn: 'floor' is above 'cap'"),
        ("within: 30d\n", "within: 30d\n    learn: {§cap: 3bd}\n", "counted otherwise than 'within', which is 30d"),
        ("within: 30d\n", "within: 20bd\n    calendar: bank\n    learn: {§floor: 4bh}\n", "counted otherwise than 'within', which is 20bd"),
        ("within: 30d\n", "within: 30d\n    learn: {§lest: 20}\n", "unknown key 'lest'; allowed: cap, floor, least, over, quantile; did you mean 'least'?"),
        ("    legs:", "    tolerance: {§abs: some}\n    legs:", "expectations.1.tie_out.tolerance.abs: Input should be a valid decimal"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_finding_at_its_place(
    tmp_path: Path, right: str, wrong: str, expected: str
) -> None:
    """§ stands where the finding must point."""
    assert GOOD.count(right) == 1
    before = GOOD[: GOOD.index(right)] + wrong[: wrong.index("§")]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert findings(tmp_path, GOOD.replace(right, wrong.replace("§", ""))) == [f"{place}: {expected}"]


def test_a_wrong_exception_code_offers_the_nearest(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, GOOD.replace("within: 30d", "within: 30d\n    code: MISSNG"))
    assert found.endswith("did you mean 'MISSING'?")


def test_too_many_links_in_a_leg_are_refused(tmp_path: Path) -> None:
    links = ", ".join(["{role: for, to: order}"] * 4)
    (found,) = findings(
        tmp_path, GOOD.replace("invoiced: {step: received}", f"invoiced: {{links: [{links}]}}")
    )
    assert found.startswith(
        "28:18: expectations.1.tie_out.legs.invoiced.links: Tuple should have at most 3 items"
    )


def test_a_workflow_in_two_files_is_refused_in_the_second(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yml").write_text(GOOD)
    workflows, found = load_workflows(tmp_path)
    assert list(workflows) == ["invoices"]
    assert [finding.text() for finding in found] == [
        f"{tmp_path / 'b.yml'}:1:1: workflow 'invoices' is defined twice"
    ]


def test_good_files_load_beside_a_bad_one(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("workflow: [")
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("not a workflow")
    workflows, found = load_workflows(tmp_path)
    assert list(workflows) == ["invoices"]
    assert [Path(finding.file).name for finding in found] == ["bad.yaml"]


def test_the_shipped_files_have_no_finding() -> None:
    workflows, found = load_workflows()
    assert found == []
    assert sorted(workflows) == sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def _loaded(folder: Path, text: str = GOOD) -> Workflow:
    (folder / "flow.yaml").write_text(text)
    return load_workflows(folder)[0]["invoices"]


def test_the_version_follows_what_the_file_says_not_how_it_says_it(tmp_path: Path) -> None:
    version = _loaded(tmp_path).version
    assert _loaded(tmp_path, "# A comment\n" + GOOD.replace("30d", "720h")).version == version
    assert _loaded(tmp_path, GOOD.replace("30d", "31d")).version != version
    assert _loaded(tmp_path, GOOD.replace("owner: buyers", "owner: stewards")).version != version


def test_a_step_is_proven_by_its_own_sources_else_by_those_of_the_workflow(tmp_path: Path) -> None:
    flow = _loaded(tmp_path)
    assert flow.sources_of(("received",)) == ("books",)
    assert flow.sources_of(("paid",)) == ("bank",)
    assert flow.sources_of(("paid", "received", "returned")) == ("bank", "books")


def test_what_is_left_out_has_the_documented_defaults(tmp_path: Path) -> None:
    flow = _loaded(tmp_path)
    payment, tie, first, once, known = flow.expectations
    assert (flow.as_of, flow.dimensions, flow.objects["order"].key) == ("now", (), ("trim",))
    assert (payment.code, first.code, once.code, known.code, tie.code) == (
        "MISSING",
        "ORPHAN",
        "DUP_RECORD",
        "KEY_UNMAPPED",
        "AMOUNT",
    )
    assert payment.kind == "sequence"
    assert (payment.clock, payment.again_after) == ("step", None)
    assert known.kind == "reference"
    assert known.within == timedelta(0)
    assert tie.kind == "tie_out"
    assert (tie.tolerance.abs, tie.tolerance.pct, list(tie.legs)) == (0, 0, ["invoiced", "paid"])


CARRIES = "  paid: {title: Paid, select: [{name: P}], sources: [bank]}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  paid: {title: Paid, select: [{name: P}], sources: [bank, otlp/bank], carries: {item: invoice, owner: o}}", []),
        (
            "  paid: {title: Paid, select: [{name: P}], sources: [otlp/bank], carries: {item: invoise, owner: o}}",
            ["10:76: unknown object type 'invoise'; allowed: invoice, order; did you mean 'invoice'?"],
        ),
        (
            "  paid: {title: Paid, select: [{name: P}], sources: [bank], carries: {item: invoice, owner: o}}",
            ["10:61: no source of telemetry proves what is not there, so this can never be told; allowed: a source like otlp/<service>"],
        ),
        (
            "  paid: {title: Paid, select: [{name: P}], carries: {item: invoice, ownr: o}}",
            ["10:44: key 'owner' is missing", "10:69: unknown key 'ownr'; allowed: item, owner, runbook, state, system, within; did you mean 'owner'?"],
        ),
    ],
)  # fmt: skip
def test_what_a_step_carries_is_checked_where_it_stands(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    assert sorted(findings(tmp_path, GOOD.replace(CARRIES, f"{line}\n"))) == expected


def test_a_step_that_carries_stands_for_two_expectations_unless_there_are_own_ones(tmp_path: Path) -> None:
    line = CARRIES.replace("[bank]", "[otlp/bank]").replace(
        "}\n", ", carries: {item: invoice, owner: o, within: 5m}}\n"
    )
    own = "  - {name: paid_traced, title: T, kind: traced, item: invoice, step: paid, within: 1h, owner: treasury}\n"
    (tmp_path / "flow.yaml").write_text(GOOD.replace(CARRIES, line) + own, encoding="utf-8")
    (flow,) = load_workflows(tmp_path)[0].values()
    made = {rule.name: rule for rule in flow.expectations if rule.kind in ("landed", "traced")}
    assert {name: (rule.owner, rule.code, rule.within) for name, rule in made.items()} == {
        "paid_traced": ("treasury", "NO_TRACE", timedelta(hours=1)),
        "paid_landed": ("o", "NOT_IN_STATE", timedelta(minutes=5)),
    }
    assert Workflow.model_validate_json(flow.model_dump_json()) == flow


def test_a_state_that_no_source_proves_is_a_finding(tmp_path: Path) -> None:
    text = GOOD.replace("sources: [books]", "sources: [otlp/books]").replace(CARRIES, CARRIES.replace("}\n", ", carries: {item: invoice, owner: o}}\n"))  # fmt: skip
    assert findings(tmp_path, text.replace("sources: [bank]", "sources: [otlp/bank]")) == [
        "10:66: no source of state proves what is not there, so this can never be told; allowed: a probe or import under 'sources'"
    ]
