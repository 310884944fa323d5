"""A rule that cannot be meant is a finding with place, cause and cure, never a wrong match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matching_world import CASH

from reconcile.matching.load import Feed, load_matching
from workflows.model import Workflow

RULE = """\
rule: bank
title: Bank and ledger
workflow: cash
owner: treasury
legs:
  bank: {type: bank_line, fields: {account: account, amount: "@amount", currency: "@currency"}}
  ledger: {type: ledger_line, fields: {account: account, amount: "@amount", currency: "@currency"}}
normalise:
  account: [trim, {map: accounts}]
keys:
  - {fields: [account], method: pair}
numbers:
  amount: {currency: currency, rates: fx}
compare:
  amount: {field: amount, means: amount, expected: bank, actual: ledger}
"""
TABLES = {"accounts": "from,to\nA1,1\n", "fx": "from,to\nEUR,1.1\n"}


def findings(folder: Path, rule: str = RULE, tables: dict[str, str] | None = None, **more: Any) -> list[str]:
    """What is said of a folder with this rule, as `line:column message [nearest]`."""
    (folder / "tables").mkdir()
    (folder / "bank.yaml").write_text(rule)
    for name, text in {**TABLES, **(tables or {})}.items():
        (folder / "tables" / f"{name}.csv").write_text(text)
    rulings, found = load_matching(folder, {"cash": CASH}, **more)
    assert bool(rulings) == (not found)
    return [
        f"{one.line}:{one.column} {one.message}" + (f" [{one.nearest}]" if one.nearest else "")
        for one in found
    ]


def test_a_good_rule_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, sources={"books"}) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("workflow: cash", "workflow: cahs", "3:1 unknown workflow 'cahs' [cash]"),
        ("type: bank_line", "type: bank_lin", "6:10 unknown object type 'bank_lin' [bank_line]"),
        ("fields: [account], method", "fields: [acount], method", "11:15 unknown field 'acount': leg 'bank' does not have it [account]"),
        ("actual: ledger}", "actual: leger}", "15:58 unknown leg 'leger' [ledger]"),
        ("actual: ledger}", "actual: bank}", "15:3 a leg cannot be compared with itself"),
        ("field: amount, means", "field: amont, means", "15:12 'amont' is compared as a number; declare it under 'numbers' [amount]"),
        ("{map: accounts}", "{map: acounts}", "9:19 unknown table 'acounts' [accounts]"),
        ("rates: fx", "rates: fy", "13:32 unknown table 'fy'"),
        ("currency: currency, rates: fx", "rates: fx", "13:3 numbers.amount: 'rates' needs 'currency', the field that names it"),
        ("actual: ledger}", "actual: ledger, over: {any: true}, under: {any: true}}", "15:3 neither side is checked, so this comparison decides nothing"),
        ("method: pair}", "method: pairs}", "11:25 keys.0.method: Input should be 'group', 'pair' or 'subset' [pair]"),
        ("method: pair}", "method: pair, window: {days: [3, -3]}}", "11:39 keys.0.window: the window ends before it begins; write [earliest, latest]"),
        ('amount: "@amount", currency: "@currency"}}\n  ledger', 'amount: "@amonut", currency: "@currency"}}\n  ledger', "6:54 unknown field of every record '@amonut' [@amount]"),
        ("means: amount", "means: text", "11:25 'pair' needs an amount or a quantity to compare"),
        ("method: pair}", "method: pair, window: {}}", "11:39 keys.0.window: a window has either 'days' or 'business_days'"),
        ("method: pair}", "method: pair, window: {business_days: [0, 2]}}", "11:39 business days need a calendar, the same for all legs"),
        ("owner: treasury", "owner: treasury\ncalendar: wek", "5:1 unknown calendar 'wek' [week]"),
        ("  ledger: {", "  ledger: {within: 3bd, ", "7:12 business time needs a calendar"),
        ("  ledger: {", "  ledger: {within: 3b, ", "7:12 legs.ledger.within: a duration is written like 90s, 15m, 2h, 3d or 1d 12h, or in business time like 3bd or 8bh"),
        ("  ledger: {", "  ledger: {within: 3bd, calendar: weak, ", "7:25 unknown calendar 'weak' [week]"),
        ("title: Bank", "titel: Bank", "2:1 unknown key 'titel' [title]"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_found_where_it_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RULE
    assert said in findings(tmp_path, RULE.replace(old, new), calendars={"week"})


def test_pairs_of_three_legs_are_refused(tmp_path: Path) -> None:
    three = RULE.replace(
        "normalise:", "  third: {type: order_line, fields: {account: a, amount: b, currency: c}}\nnormalise:"
    )
    assert findings(tmp_path, three) == ["12:25 'pair' works on two legs; this rule has 3; use 'group'"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("accounts", "from,to,valid_from,valid_until\nA,1,2026-01-01,2026-06-01\nA,2,2026-05-01,\n", "3:1 its validity overlaps the entry of line 2 for the same value"),
        ("accounts", "from,to\nA,1\nA,2\n", "3:1 its validity overlaps the entry of line 2 for the same value"),
        ("accounts", "from,too\nA,1\n", "1:1 column 'to' is missing"),
        ("accounts", "from,to,valid_form\nA,1,\n", "1:3 unknown column 'valid_form' [valid_from]"),
        ("accounts", "from,to,valid_from\nA,1,1.3.2026\n", "2:1 a day is written like 2026-03-31"),
        ("accounts", "from,to\nA,\n", "2:1 both 'from' and 'to' must be filled"),
        ("fx", "from,to\nEUR,one\n", "2:1 column 'to' must be a number above zero, like 1.0834"),
        ("fx", "from,to\nEUR,0\n", "2:1 column 'to' must be a number above zero, like 1.0834"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_found_where_it_is(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in findings(tmp_path, tables={name: text})


def test_a_source_that_nobody_feeds_is_found(tmp_path: Path) -> None:
    rule = RULE.replace(
        'currency: "@currency"}}\nnormalise', 'currency: "@currency"}, sources: [bank_feed]}\nnormalise'
    )
    assert findings(tmp_path, rule, sources={"bank_feeds"}) == [
        "7:111 unknown source 'bank_feed' [bank_feeds]"
    ]


def test_a_field_that_nothing_stores_is_found(tmp_path: Path) -> None:
    kept = {"bank_line": {"acount", "amount"}}
    assert findings(tmp_path, kept=kept) == ["6:36 unknown stored field of 'bank_line': 'account' [acount]"]


def test_what_stores_the_records_of_a_leg_proves_that_one_is_not_there(tmp_path: Path) -> None:
    """The other system's probe being alive says nothing of this one; other proof is another version."""
    findings(tmp_path)
    flow = CASH.model_copy(update={"sources": ("books", "bank_feed", "gl")})
    feeds = [
        ("bank_line", "bank", "bank_feed"),
        ("ledger_line", "erp", "gl"),
        ("ledger_line", "old", "gl_before"),
    ]

    def loaded(
        workflow: Workflow = flow, feeds: list[Feed] = feeds
    ) -> tuple[str, dict[str, tuple[str, ...]]]:
        ruling = load_matching(tmp_path, {"cash": workflow}, feeds=feeds)[0]["bank"]
        return ruling.version, {name: leg.sources for name, leg in ruling.rule.legs.items()}

    version, sources = loaded()
    assert sources == {"bank": ("bank_feed",), "ledger": ("gl",)}
    assert loaded(feeds=[])[1] == {"bank": flow.sources, "ledger": flow.sources}
    assert loaded(CASH)[1] == {"bank": ("bank_feed",), "ledger": ("gl", "gl_before")}
    versions = {
        version,
        loaded(feeds=[])[0],
        loaded(CASH)[0],
        loaded(flow.model_copy(update={"dimensions": ()}))[0],
    }
    assert len(versions) == 4
    (tmp_path / "bank.yaml").write_text(
        RULE.replace("{type: ledger_line,", "{type: ledger_line, system: old,")
    )
    assert loaded()[1]["ledger"] == ("gl_before",)


def test_another_rate_is_another_version(tmp_path: Path) -> None:
    assert findings(tmp_path) == []
    before = load_matching(tmp_path, {"cash": CASH})[0]["bank"].version
    assert load_matching(tmp_path, {"cash": CASH})[0]["bank"].version == before
    (tmp_path / "tables" / "fx.csv").write_text("from,to\nEUR,1.2\n")
    assert load_matching(tmp_path, {"cash": CASH})[0]["bank"].version != before


def test_a_number_that_is_looked_up_and_a_step_that_takes_away_must_exist(tmp_path: Path) -> None:
    rule = (
        RULE.replace("method: pair", "method: group")
        .replace(
            'currency: "@currency"}}\nnormalise',
            'currency: "@currency"}, lookup: {amount: {of: acount, table: prices}, worth: {of: account, table: fx}}}\nnormalise',
        )
        .replace(
            "  bank: {type: bank_line,",
            '  paid: {step: paid, fields: {account: account, currency: "@currency"}, void_by: [piad]}\n  bank: {type: bank_line,',
        )
    )
    assert {one.split(" ", 1)[1] for one in findings(tmp_path, rule)} == {
        "unknown step 'piad' [paid]",
        "'amount' is both among the fields and looked up; name it once",
        "unknown field of the leg 'acount' [account]",
        "unknown table 'prices'",
        "unknown number 'worth'",
    }  # fmt: skip


def test_state_is_not_voided_by_steps(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, RULE.replace("{type: bank_line,", "{type: bank_line, void_by: [paid],"))
    assert "'void_by' takes events away; of state, 'when' says what counts" in found
