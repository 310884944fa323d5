"""Bank statements: BAI2, with a library of others as second opinion, and camt.053."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bai2.bai2
import pytest
from bai2 import models
from bai2.constants import FundsType, GroupStatus, TypeCodes
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from probes.probe import ProbeError, ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.reading import format_of, told
from tests.probes.source import states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
CODES = dict(TypeCodes)

BAI2 = """\
01,BANK,HOSPITAL,261119,0600,17,80,,2/
02,HOSPITAL,BANK,1,261118,2400,USD,2/
03,0975312468,,010,500000,,,015,700150,,/
16,165,250000,Z,BR1,CR1,ACH CREDIT, PAYER A/B
88,TRN*1*EFT7/
16,475,50000,V,261120,0900,BR2,CR2,CHECK 17/
16,142,150,S,100,50,0,BR3,,/
49,1500300,6/
03,JP1,JPY,015,5000,2,Z/
16,399,+700,D,2,0,300,1,400,BR4/
88,CR4,LONG
88,TEXT
49,5700,5/
98,1506000,2,13/
99,1506000,1,15/
"""
ENTRY = [
    "account",
    "type",
    "direction",
    "amount",
    "currency",
    "value_date",
    "bank_reference",
    "customer_reference",
    "text",
]


def test_an_entry_has_its_account_its_sign_and_its_text_over_all_lines() -> None:
    found = told("bai2", BAI2, ENTRY)
    assert [list(row.values()) for row in found.rows] == [
        ["0975312468", "165", "credit", "2500.00", "USD", None, "BR1", "CR1", "ACH CREDIT, PAYER A/B\nTRN*1*EFT7"],
        ["0975312468", "475", "debit", "-500.00", "USD", "2026-11-20", "BR2", "CR2", "CHECK 17"],
        ["0975312468", "142", "credit", "1.50", "USD", None, "BR3", None, None],
        ["JP1", "399", "credit", "700", "JPY", None, "BR4", "CR4", "LONG\nTEXT"],
    ]  # fmt: skip
    assert (found.lines, found.bad) == ([4, 6, 7, 10], [])
    assert [(number.series, number.number) for number in found.counted] == [("BAI2 BANK HOSPITAL 261119", 17)]


def test_an_account_has_its_balances_and_what_its_group_and_file_say() -> None:
    columns = [
        "account",
        "summary.010",
        "summary.015",
        "count.015",
        "as_of",
        "created",
        "file_id",
        "group_status",
        "@number",
    ]
    found = told("bai2", BAI2, columns, level="account")
    shared = ["2026-11-19 00:00:00", "2026-11-19 06:00:00", "17", "1"]
    assert [list(row.values()) for row in found.rows] == [
        ["0975312468", "5000.00", "7001.50", None, *shared, "1"],
        ["JP1", None, "5000", "2", *shared, "2"],
    ]


def test_the_library_of_others_accepts_the_same_file_and_reads_the_same_amounts() -> None:
    theirs = bai2.bai2.parse_from_string(BAI2, check_integrity=True)
    amounts = [
        entry.amount for group in theirs.children for account in group.children for entry in account.children
    ]
    ours = [abs(Decimal(row["amount"])) for row in told("bai2", BAI2, ["amount", "currency"]).rows]
    assert [Decimal(amount) for amount in amounts] == [*(amount * 100 for amount in ours[:3]), ours[3]]


@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from(["165", "475", "399", "698"]),
            st.integers(0, 10**12),
            st.sampled_from(
                [FundsType.unknown_availability, FundsType.value_dated, FundsType.immediate_availability]
            ),
            st.text(alphabet="ABC 12,-/", max_size=120).map(str.strip),
        ),
        max_size=6,
    ),
    balance=st.integers(-(10**12), 10**12),
)
def test_what_the_library_of_others_writes_is_read_whole(entries: list[Any], balance: int) -> None:
    details = [
        models.TransactionDetail(
            type_code=CODES[code], amount=amount, funds_type=funds, bank_reference="B", customer_reference="C", text=text,
            availability={"date": date(2026, 11, 20), "time": time(9)} if funds is FundsType.value_dated else {},
        )
        for code, amount, funds, text in entries
    ]  # fmt: skip
    account = models.Account(
        header=models.AccountIdentifier(
            customer_account_number="A1",
            currency="USD",
            summary_items=[models.Summary(CODES["015"], balance)],
        ),
        children=details,
    )
    header = models.GroupHeader(
        ultimate_receiver_id="H",
        originator_id="B",
        group_status=GroupStatus.update,
        as_of_date=date(2026, 11, 18),
    )
    group = models.Group(header=header, children=[account])
    head = models.Bai2FileHeader(
        sender_id="B", receiver_id="H", creation_date=date(2026, 11, 19), creation_time=time(6), file_id="1"
    )
    found = told(
        "bai2", bai2.bai2.write(models.Bai2File(header=head, children=[group])), ["amount", "bank_reference"]
    )
    assert found.wrong() == []
    assert [row["bank_reference"] for row in found.rows] == ["B"] * len(entries)
    assert [abs(Decimal(row["amount"]) * 100) for row in found.rows] == [amount for _, amount, *_ in entries]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("49,1500300,6", "49,1500301,6"), [(8, "the total of 49 is not the sum of its amounts")]),
        (("49,1500300,6", "49,1500300,7"), [(8, "record 49 counts 7 records, there are 6")]),
        (("49,1500300,6", "49,x,y"), [(8, "the total of 49 is not the sum of its amounts"), (8, "record 49 counts an unreadable number of records, there are 6")]),
        (("98,1506000,2,13", "98,1506000,3,13"), [(14, "record 98 counts 3 accounts, there are 2")]),
        (("99,1506000,1", "99,1506001,1"), [(15, "the total of 99 is not the sum of its groups")]),
        (("99,1506000,1,15/\n", ""), [(1, "the 01 that begins here has no 99")]),
        (("49,1500300,6/\n", ""), [(3, "the 03 that begins here has no 49"), (13, "the total of 98 is not the sum of its accounts"), (13, "record 98 counts 2 accounts, there are 1"), (13, "record 98 counts 13 records, there are 12"), (14, "the total of 99 is not the sum of its groups"), (14, "record 99 counts 15 records, there are 14")]),
        (("16,475,50000", "16,475,5x"), [(6, "an amount is not a whole number"), (8, "the total of 49 is not the sum of its amounts"), (14, "the total of 98 is not the sum of its accounts"), (15, "the total of 99 is not the sum of its groups")]),
        (("99,1506000,1,15/\n", "99,1506000,1,15/\n16,1,1/\n"), [(16, "a record stands behind the end of the file")]),
    ],
)  # fmt: skip
def test_a_total_or_a_count_of_bai2_that_does_not_hold_is_told(
    change: tuple[str, str], wrong: list[tuple[int, str]]
) -> None:
    found = told("bai2", BAI2.replace(*change), ["bank_reference"])
    assert found.wrong("not_whole") == wrong
    assert [row["bank_reference"] for row in found.rows][:4] == ["BR1", "BR2", "BR3", "BR4"]


@pytest.mark.parametrize("cut", range(3, len(BAI2) - 3, 37))
def test_bai2_cut_off_anywhere_is_never_whole(cut: int) -> None:
    assert not told("bai2", BAI2[:-cut], ["amount"]).whole


@pytest.mark.parametrize("content", ["", "16,1,1/", "ISA*00*", "<a/>"])
def test_what_is_no_bai2_is_refused(content: str) -> None:
    with pytest.raises(ProbeError) as refused:
        told("bai2", content, ["amount"])
    assert refused.value.code == "bad_file"


def test_a_column_bai2_does_not_have_is_refused() -> None:
    assert format_of("bai2").misnamed("ammount").endswith("did you mean 'amount'?")
    assert format_of("bai2").misnamed("summary.15")
    assert format_of("bai2", level="account").misnamed("text")


def entry(number: int, amount: str, side: str = "CRDT", more: str = "") -> str:
    return (
        f'<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>2026-11-18</Dt></BookgDt><ValDt><Dt>2026-11-19</Dt></ValDt>{more}</Ntry>"
    )


def balance(kind: str, amount: str, side: str = "CRDT") -> str:
    code = f"<Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
    return f'<Bal>{code}<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2026-11-18</Dt></Dt></Bal>'


def statement(
    number: int, *entries: str, head: str = "", opening: str = "100.00", closing: str = "142.50"
) -> str:
    return (
        f"<Stmt><Id>S{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>2026-11-19T05:00:00+01:00</CreDtTm>"
        f"<Acct><Id><IBAN>DE1</IBAN></Id></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}{head}{''.join(entries)}</Stmt>"
    )


DETAILS = """<NtryDtls>
<TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><Amt Ccy="EUR">30.00</Amt></TxDtls>
<TxDtls><Refs><EndToEndId>E2</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy="EUR">20.00</Amt></TxAmt></AmtDtls></TxDtls>
</NtryDtls>"""
ENTRIES = (entry(1, "50.00", more=DETAILS), entry(2, "7.50", "DBIT"))
SUMMARY = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>57.50</Sum></TtlNtries></TxsSummry>"


def camt(*statements: str) -> str:
    inside = "<GrpHdr><MsgId>M</MsgId></GrpHdr>" + "".join(statements)
    return (
        '<?xml version="1.0"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
        f"<BkToCstmrStmt>{inside}</BkToCstmrStmt></Document>"
    )


GOOD = camt(statement(4, *ENTRIES, head=SUMMARY), statement(5, opening="142.50"))


def test_an_entry_of_a_statement_has_its_sign_its_dates_and_its_account() -> None:
    columns = [
        "account",
        "amount",
        "currency",
        "booked",
        "value_date",
        "NtryRef",
        "Amt/@Ccy",
        "../Id",
        "list(NtryDtls/TxDtls/Refs/EndToEndId)",
    ]
    found = told("camt053", GOOD, columns)
    shared = ["EUR", "2026-11-18", "2026-11-19"]
    assert [list(row.values()) for row in found.rows] == [
        ["DE1", "50.00", *shared, "1", "EUR", "S4", '["E1", "E2"]'],
        ["DE1", "-7.50", *shared, "2", "EUR", "S4", "[]"],
    ]
    assert found.bad == []
    assert [(number.series, number.number) for number in found.counted] == [
        ("camt.053 DE1 2026", 4),
        ("camt.053 DE1 2026", 5),
    ]


def test_each_payment_inside_an_entry_may_be_a_record() -> None:
    found = told("camt053", GOOD, ["Refs/EndToEndId", "amount", "currency", "booked"], level="TxDtls")
    assert [list(row.values()) for row in found.rows] == [
        ["E1", "30.00", "EUR", "2026-11-18"],
        ["E2", "20.00", "EUR", "2026-11-18"],
        [None, "-7.50", "EUR", "2026-11-18"],
    ]


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (GOOD.replace(">7.50<", ">7.51<").replace("57.50", "57.51"), "not_whole", "the opening balance and the entries do not make the closing balance"),
        (GOOD.replace("<NbOfNtries>2", "<NbOfNtries>3"), "not_whole", "the statement counts 3 entries, there are 2"),
        (GOOD.replace("57.50", "57.51"), "not_whole", "the statement's sum of entries is not their sum"),
        (GOOD.replace("CLBD", "ITAV"), "remark", "the statement has no opening or no closing balance"),
        (camt(statement(4, entry(1, "x"), closing="100.00")), "not_whole", "an amount of the statement is not a number, or neither credit nor debit"),
    ],
)  # fmt: skip
def test_a_statement_that_does_not_add_up_is_told(content: str, reason: str, detail: str) -> None:
    found = told("camt053", content, ["NtryRef"])
    assert {(bad.reason, bad.detail) for bad in found.bad} == {(reason, detail)}


def test_what_is_pending_moves_no_balance_and_a_page_is_not_balanced_alone() -> None:
    pending = entry(3, "999.00").replace("BOOK", "PDNG")
    assert told("camt053", camt(statement(4, *ENTRIES, pending)), ["NtryRef"]).bad == []
    page = "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
    assert told("camt053", camt(statement(4, ENTRIES[0], head=page)), ["NtryRef"]).bad == []


def test_a_statement_that_breaks_off_is_not_whole_and_one_that_is_none_is_refused() -> None:
    found = told("camt053", GOOD[: GOOD.index("<NtryRef>2")], ["NtryRef"])
    assert ([row["NtryRef"] for row in found.rows], found.whole) == (["1"], False)
    with pytest.raises(ProbeError) as refused:
        told("camt053", "<Document><Other/></Document>", ["NtryRef"])
    assert refused.value.code == "bad_file"
    with pytest.raises(etree.XMLSyntaxError):
        told("camt053", "01,BANK", ["NtryRef"])
    with pytest.raises(ProbeError) as dtd:
        told("camt053", GOOD.replace("<Document", "<!DOCTYPE d [<!ENTITY e 'x'>]><Document"), ["NtryRef"])
    assert dtd.value.code == "dtd_refused"


@pytest.mark.parametrize(
    ("kind", "content", "keys", "currency", "first"),
    [
        ("bai2", BAI2.replace("JPY", "USD"), "bank_reference", "currency", ("BR1", Decimal(2500))),
        ("camt053", GOOD, "NtryRef", "currency", ("1", Decimal(50))),
    ],
)
def test_payments_of_a_bank_become_states(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path,
    kind: str, content: str, keys: str, currency: str, first: tuple[str, Decimal],
) -> None:  # fmt: skip
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "1").write_text(content)
    os.utime(folder / "1", ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    state = {"key": keys, "amount": {"column": "amount", "currency_column": currency}}
    probe = make_probe(kind="files", folder="drop", format=kind, mode="incremental", object=state)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.complete_through) == ("ok", datetime(2026, 11, 20, 11, tzinfo=UTC))
    found = states(store)
    assert (found[0]["object_key"], found[0]["amount"]) == first
    assert any(row["amount"] < 0 for row in found)
