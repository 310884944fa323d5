"""X12: files of others read completely and every defect told; records, envelopes, sums and control numbers."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyx12.errors import X12Error
from pyx12.x12file import X12Reader

import probes.formats.x12.loops
import probes.formats.x12.segments
from probes.formats.contract import Source
from probes.formats.x12.segments import Segment, segments
from probes.probe import ProbeError, ProbeFile
from probes.run import ProbeRun, run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.reading import format_of, told
from tests.probes.samples import x12_sample, x12_samples
from tests.probes.source import count, rejects, states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
SAMPLES = x12_samples()


def text_of(content: bytes) -> str:
    return content.decode("utf-16-le") if content.startswith(b"I\x00") else content.decode("utf-8-sig")


def test_every_transaction_of_every_sample_is_read() -> None:
    """Counted a second time by what begins a transaction, whatever ends its segments."""
    total = 0
    for name, content in SAMPLES.items():
        text = text_of(content)
        separator = re.escape(text[3])
        begins = re.findall(rf"(?:^|[^A-Za-z0-9{separator}]\s*)ST{separator}([0-9]{{3}}){separator}", text)
        found = told("x12", content, ["ST01"], level="ST", balance=False)
        assert [row["ST01"] for row in found.rows] == begins, name
        total += len(begins)
    assert (len(SAMPLES), total) == (223, 482)


def test_every_segment_is_the_one_that_pyx12_reads_and_no_defect_it_finds_is_missed() -> None:
    """pyx12 loses a last segment without terminator; whatever is missing behind that it finds by itself."""
    read = defects = 0
    for name, content in SAMPLES.items():
        try:
            theirs = X12Reader(io.StringIO(text_of(content)))
        except X12Error:
            continue  # versions that pyx12 does not take
        listed, wrong = [], []
        for segment in theirs:
            listed.append(segment.format("", "\x1f", ":"))
            wrong += theirs.pop_errors()
        theirs.cleanup()
        wrong += theirs.pop_errors()
        ours = [s for s in segments(Source(io.BytesIO(content), name, ()), "utf-8") if isinstance(s, Segment)]
        cut = [
            s for s in segments(Source(io.BytesIO(content), name, ()), "utf-8") if not isinstance(s, Segment)
        ]
        names = [segment.name for segment in ours]
        expected = [text.split("\x1f")[0] for text in listed]
        unterminated = any("no terminator" in bad.detail for bad in cut)
        assert names[: len(expected)] == expected, name
        if name.endswith("835_WithMultipleInterchanges.txt"):
            continue  # pyx12 stops at the end of the first line
        assert len(names) - len(expected) == unterminated or "UnicodeExample" in name, name
        levels = {code for code, *_ in wrong if code in ("isa", "gs", "st")}
        assert not levels or told("x12", content, ["ST01"], level="ST", balance=False).bad, name
        read += 1
        defects += len(levels)
    assert read > 150
    assert defects > 15


# Every defect of the collection but two kinds: a last segment without terminator, and remittances, both below.
DEFECTS = {
    "271_005010X279A1/subscriber-health-benefit-check-error.271": [(10, "SE02 does not repeat ST02")],
    "_271/_4010/Example2_TMHP.txt": [(48, "GE02 repeats GS06 written otherwise")],
    "_271/_4010/From_tcplex.txt": [(1, "the ISA segment has 105 characters instead of 106")],
    "_277/_5010/FromBogeyone.txt": [
        (3, "the ST that begins here has no SE"),
        (2, "the GS that begins here has no GE"),
        (1, "the ISA that begins here has no IEA"),
    ],
    "_277/_5010/FromLatitude81uk.txt": [(31, "IEA02 does not repeat ISA13")],
    "FromNth/835_DeIdent_02.dat": [
        (13000, "SE02 does not repeat ST02"),
        (13002, "IEA02 does not repeat ISA13"),
    ],
    "FromNth/837_DeIdent_01.dat": [
        (4203, "GE02 does not repeat GS06"),
        (4204, "IEA02 does not repeat ISA13"),
    ],
    "FromNth/837_DeIdent_02.dat": [
        (1760, "GE02 does not repeat GS06"),
        (1761, "IEA02 does not repeat ISA13"),
    ],
    "FromNth/837_DeIdent_03.dat": [(923, "GE02 does not repeat GS06"), (924, "IEA02 does not repeat ISA13")],
    "FromNth/837_DeIdent_04.dat": [
        (2415, "GE02 does not repeat GS06"),
        (2416, "IEA02 does not repeat ISA13"),
    ],
    "FromNth/837_DeIdent_05.dat": [
        (8223, "GE02 does not repeat GS06"),
        (8224, "IEA02 does not repeat ISA13"),
    ],
    "_837P/_5010/UnicodeExample.txt": [
        (6, "there is an empty segment"),
        (3, "the ST that begins here has no SE"),
        (2, "the GS that begins here has no GE"),
        (1, "the ISA that begins here has no IEA"),
    ],
    "_852/hdexchange.txt": [(23, "IEA02 does not repeat ISA13")],
    "_816/Steinmart_Example1.txt": [(31, "IEA02 does not repeat ISA13")],
    "_816/Steinmart_Example2.txt": [(24, "SE02 does not repeat ST02")],
    "_820/Example2_ScanaEnergy.txt": [
        (14, "SE02 repeats ST02 written otherwise"),
        (15, "GE02 repeats GS06 written otherwise"),
        (16, "IEA02 repeats ISA13 written otherwise"),
    ],
    "_820/Example3_HomeDepot.txt": [(27, "GE02 does not repeat GS06")],
    "_820/Example5_Wikipedia.txt": [(17, "GE02 repeats GS06 written otherwise")],
    "_820/Example6.txt": [(17, "SE02 repeats ST02 written otherwise")],
    "_850/Example3_Adobe_CLP.txt": [(1, "the ISA segment has 105 characters instead of 106")],
    "_850/Example4_Adobe_ShrinkWrapped.txt": [
        (1, "the ISA segment has 105 characters instead of 106"),
        (21, "GE02 repeats GS06 written otherwise"),
    ],
    "_856/Example2.txt": [(35, "CTT01 counts 2 HL, there are 3")],
    "_860/Example1.txt": [
        (1, "the ISA segment has 105 characters instead of 106"),
        (11, "SE01 counts 10 segments, there are 9"),
    ],
    "_865/FromTyco.txt": [(20, "IEA02 does not repeat ISA13")],
    "_286/Ids.txt": [(49, "SE02 repeats ST02 written otherwise")],
    "_110/FedEx_SampleInvoice1.txt": [(102, "GE02 does not repeat GS06")],
    "_210/DBSchenker_SampleMotorFreightDetailsAndInvoice.txt": [(25, "GE02 does not repeat GS06")],
    "_940/simplot.txt": [(30, "GE02 does not repeat GS06"), (31, "IEA02 does not repeat ISA13")],
    "_945/inter-americanproducts.txt": [(20, "GE02 does not repeat GS06")],
}


def test_every_defect_of_an_envelope_is_found_and_nothing_else() -> None:
    found = {
        name: wrong
        for name, content in SAMPLES.items()
        if (wrong := [
            (bad.number, bad.detail)
            for bad in told("x12", content, ["ST01"], balance=False).bad
            if "terminator" not in bad.detail
        ])
    }  # fmt: skip
    listed = {next(name for name in SAMPLES if name.endswith(end)): wrong for end, wrong in DEFECTS.items()}
    assert found == listed


def test_a_last_segment_without_terminator_is_read_and_told() -> None:
    """22 of the samples; their IEA agrees all the same, or is among the defects above."""
    cut = [
        name
        for name, content in SAMPLES.items()
        if any("terminator" in bad.detail for bad in told("x12", content, ["ST01"], balance=False).bad)
    ]
    assert len(cut) == 22


def test_remittances_that_do_not_balance_are_found() -> None:
    """The sum of the payment, calculated a second time; of claims and services, how many."""
    out_of_balance = {}
    for name, content in SAMPLES.items():
        found = told("x12", content, ["CLP01"], transaction="835")
        sums = Counter(bad.detail[:5] for bad in found.bad if bad.detail[:3] in ("BPR", "CLP", "SVC"))
        if sums:
            out_of_balance[name.rpartition("/")[2]] = tuple(sums[key] for key in ("BPR02", "CLP03", "SVC02"))
        if b"ST*835*" in content:
            assert sums["BPR02"] == sum(not paid for paid in _payments_agree(text_of(content))), name
    assert out_of_balance == {
        "tertiary-payment.835": (0, 0, 1),
        "Example1_GripElements.txt": (1, 0, 0),
        "835_DeIdent_01.dat": (1, 86, 185),
        "835_DeIdent_02.dat": (4, 373, 1420),
        "Example1.txt": (1, 0, 0),
        "ExampleFromNth.txt": (3, 51, 50),
        "835_WithMultipleInterchanges.txt": (3, 51, 50),
    }


def _payments_agree(text: str) -> list[bool]:
    agree = []
    for transaction in re.split(r"ST\*835\*", text)[1:]:
        lines = [line.strip().split("*") for line in transaction.split(text[105])]
        paid = sum((Decimal([*line, "", "", ""][4] or 0) for line in lines if line[0] == "CLP"), Decimal(0))
        held = sum((Decimal(x or 0) for line in lines if line[0] == "PLB" for x in line[4::2]), Decimal(0))
        [said] = [Decimal(line[2]) for line in lines if line[0] == "BPR"]
        agree.append(said == paid - held)
    return agree


@pytest.mark.parametrize(
    ("sample", "keys", "columns", "first", "number"),
    [
        ("demo.835", {}, ["CLP01", "CLP04", "BPR02", "TRN02", "LX01", "N102[PE]", "ISA13", "@created", "@number"],
         ["666123", "138018.40", "150000.00", "12345", "110212", "REGIONAL HOPE HOSPITAL", "000000907", "2013-10-31 11:47:00", "1"], 2),
        ("managed-care.835", {}, ["CLP01", "sum(SVC03)", "count(SVC)", "list(SVC01-2)"], ["5554555444", "500.00", "1", '["99211"]'], 2),
        ("managed-care.835", {"level": "SVC"}, ["CLP01", "SVC01-2", "SVC03", "CAS03", "DTM02[150]"], ["5554555444", "99211", "500.00", "300.00", "20020301"], 2),
        ("demo.835", {"level": "PLB"}, ["TRN02", "PLB03-1", "PLB04"], ["12345", "CV", "-1.27"], 1),
        ("demo.837", {}, ["CLM01", "CLM02", "NM103[85]", "NM109[IL]", "list(SV101-2)"],
         ["26463774", "100", "BEN KILDARE SERVICE", "JS00111223333", '["99213", "87070", "99214", "86663"]'], 1),
        ("_850/Example1_PGWGlass.txt", {}, ["BEG03", "PO101", "PO102", "PO104", "PO1[VP]", "PO1[BP]"], ["S41000439", "1", "5", "5.09", None, "0459001004"], 4),
        ("_850/Example1_PGWGlass.txt", {"level": "ST"}, ["BEG03", "count(PO1)", "sum(PO102)", "CTT01"], ["S41000439", "4", "20", "4"], 1),
        ("_855/855SSimmons.txt", {}, ["BAK03", "PO101", "ACK01"], None, 3),
        ("_856/Example1.txt", {}, ["BSN02", "PRF01", "LIN03", "SN102"], ["123456", "123456", "1234-123456", "16"], 3),
        ("_856/Example1.txt", {"level": "HL[S]"}, ["HL01", "PRF01", "list(LIN03)"], ["1", None, '["1234-123456", "1234-654321", "1234-223456"]'], 1),
        ("_810/Example3_MultiInvoice.txt", {}, ["BIG02", "BIG04", "cents(TDS01)", "count(IT1)"], ["465266", "539893", "8432.02", "4"], 2),
        ("_820/Example5_Wikipedia.txt", {}, ["TRN02", "BPR02", "RMR02", "RMR04"], ["0310162359", "77.77", "1111111111111111", "11.11"], 3),
        ("_860/Example1.txt", {}, ["BCH03", "POC01", "POC[VN]"], ["PO NUMBER", "1", "018100775285"], 2),
        ("_999/DHS_Wisconsin_Sample.txt", {"level": "AK2"}, ["AK102", "AK202", "IK501"], ["17456", "0001", "A"], 3),
        ("_999/DHS_Wisconsin_Sample.txt", {}, ["AK101", "AK102", "AK901"], ["HC", "17456", "P"], 1),
        ("TechnicalAcknowledgment_Sample1.txt", {"level": "TA1"}, ["TA101", "TA104", "ISA06"], None, 2),
        ("demo.277", {}, ["TRN02", "STC01-1", "REF02[1K]", "HL03"], ["ABCXYZ1", "P3", "05347006051", "22"], 3),
    ],
)  # fmt: skip
def test_a_record_is_one_business_thing_with_what_stands_around_it(
    sample: str, keys: dict[str, Any], columns: list[str], first: list[str] | None, number: int
) -> None:
    format_ = format_of("x12", **keys)
    assert [format_.misnamed(column) for column in columns] == [""] * len(columns)
    found = told("x12", x12_sample(sample), columns, **keys)
    assert len(found.rows) == number
    if first is not None:
        assert list(found.rows[0].values()) == first


@pytest.mark.parametrize(
    "column", ["clp01", "CLP", "CLP1", "REF02[]", "sum(CLP)", "sum(sum(CLP04))", "total"]
)
def test_a_column_that_is_none_is_refused_with_examples(column: str) -> None:
    assert "like CLP01" in format_of("x12").misnamed(column)


ISA = (
    "ISA*00*          *00*          *ZZ*PAYER          *ZZ*HOSPITAL       *261119*0830*^*00501*{0:09d}*0*P*:~"
)
CLAIM = "CLP*{key}*1*100.00*80.00**12*P1~CAS*CO*45*20.00~NM1*QC*1*DOE*****MI*X1~DTM*232*20261101~"


def remittance(number: int, *claims: str, paid: str = "") -> str:
    body = [f"BPR*I*{paid or 80 * len(claims)}*C*ACH~TRN*1*EFT{number}*1999999999~LX*1~"]
    body += [CLAIM.format(key=key) for key in claims]
    segments_inside = "".join(body).count("~") + 2
    return (
        ISA.format(number)
        + f"GS*HP*PAYER*HOSPITAL*20261119*0830*{number}*X*005010X221A1~ST*835*0001~"
        + "".join(body)
        + f"SE*{segments_inside}*0001~GE*1*{number}~IEA*1*{number:09d}~"
    )


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("SE*", "SE*1"), [(11, "SE01 counts 19 segments, there are 9")]),
        (("SE*9", "SE*x"), [(11, "SE01 counts an unreadable number of segments, there are 9")]),
        (("GE*1*7", "GE*2*7"), [(12, "GE01 counts 2 transactions, there are 1")]),
        (("IEA*1", "IEA*0"), [(13, "IEA01 counts 0 groups, there are 1")]),
        (("*0001~GE", "*0002~GE"), [(11, "SE02 does not repeat ST02")]),
        (("GE*1*7~", ""), [(2, "the GS that begins here has no GE")]),
        (("SE*9*0001~", ""), [(3, "the ST that begins here has no SE")]),
        (("IEA*1*000000007~", ""), [(1, "the ISA that begins here has no IEA")]),
        (("ST*835*0001~", ""), [(3, "segment BPR stands in no transaction"), (10, "segment SE ends a ST that never began"), (11, "GE01 counts 1 transactions, there are 0")]),
        (("80.00**12", "79.00**12"), [(7, "CLP03 less the claim's adjustments is not CLP04"), (4, "BPR02 is not the sum of CLP04 less the sum of PLB")]),
        (("80.00**12", "8o.00**12"), [(7, "CLP03 less the claim's adjustments is not CLP04"), (4, "BPR02 is not the sum of CLP04 less the sum of PLB"), (4, "an amount of this remittance is not a number")]),
        (("~IEA", "~REF*1~IEA"), [(13, "segment REF stands in no transaction")]),
    ],
)  # fmt: skip
def test_an_envelope_or_a_sum_that_does_not_hold_is_told_with_its_segment(
    change: tuple[str, str], wrong: list[tuple[int, str]]
) -> None:
    good = remittance(7, "A")
    assert told("x12", good, ["CLP01"]).bad == []
    found = told("x12", good.replace(*change), ["CLP01"])
    assert found.wrong("not_whole") == wrong
    assert [row["CLP01"] for row in found.rows] == ([] if "ST*835" in change[0] else ["A"])


def test_sums_may_be_left_unchecked() -> None:
    assert told("x12", remittance(7, "A", paid="1"), ["CLP01"], balance=False).bad == []


@pytest.mark.parametrize("size", [110, 113, 150, 1000])
def test_x12_is_the_same_however_it_is_cut_into_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    other = remittance(8, "C").replace("*", "|").replace("~", "\r\n").replace(":", ">")
    content = "\ufeff\r\n" + remittance(7, "A", "B").replace("~", "~\n") + other + "\x1a"
    whole = told("x12", content, ["ISA13", "CLP01", "NM109"])
    monkeypatch.setattr(probes.formats.x12.segments, "_CHUNK_BYTES", size)
    pieces = told("x12", content, ["ISA13", "CLP01", "NM109"])
    assert whole.bad == pieces.bad == []
    assert [list(row.values()) for row in pieces.rows] == [list(row.values()) for row in whole.rows] == [
        ["000000007", "A", "X1"], ["000000007", "B", "X1"], ["000000008", "C", "X1"],
    ]  # fmt: skip
    assert [number.number for number in pieces.counted] == [7, 8]


@pytest.mark.parametrize("content", ["", "   \r\n", "<a/>", "ISA*00*", "UNB+UNOA:1+S+R+261119:0830+1'"])
def test_what_is_no_interchange_is_refused(content: str) -> None:
    with pytest.raises(ProbeError) as refused:
        told("x12", content, ["CLP01"])
    assert refused.value.code == "bad_file"


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_a_file_cut_off_anywhere_is_never_whole(cut: int) -> None:
    found = told("x12", (remittance(7, "A", "B") + remittance(8, "C"))[:-cut], ["CLP01"])
    assert not found.whole or cut == 1  # the terminator alone may be missing
    assert found.bad


def test_an_interchange_without_its_end_does_not_take_the_next_one_with_it() -> None:
    """The next one may be separated by other signs."""
    following = remittance(8, "B").replace("*", "|").replace("~", "!").replace(":", ">")
    for cut in (len("IEA*1*000000007~"), 60, 200):
        found = told(
            "x12", remittance(7, "A")[:-cut].rpartition("~")[0] + "~\n" + following, ["CLP01", "ISA13"]
        )
        assert {"CLP01": "B", "ISA13": "000000008"} in found.rows
        assert (1, "the ISA that begins here has no IEA") in found.wrong("not_whole")
        assert [number.number for number in found.counted] == [7, 8]


def test_what_follows_an_interchange_and_is_none_is_told() -> None:
    found = told("x12", remittance(7, "A") + "and more", ["CLP01"])
    assert found.wrong("not_whole") == [
        (13, "after the end of an interchange comes something else than an ISA")
    ]


def test_segments_and_loops_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.formats.x12.segments, "MAX_SEGMENT_CHARACTERS", 1000)
    monkeypatch.setattr(probes.formats.x12.segments, "_CHUNK_BYTES", 500)
    monkeypatch.setattr(probes.formats.x12.loops, "MAX_SEGMENTS", 100)
    for content in (
        remittance(7, "A").replace("TRN*1*", "TRN*1*" + "x" * 5000),
        remittance(7, "A").replace("NM1*QC", "REF*1~" * 200 + "NM1*QC"),
    ):
        with pytest.raises(ProbeError) as refused:
            told("x12", content, ["CLP01"])
        assert refused.value.code == "too_large"
        assert "xxx" not in str(refused.value)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def deliver(path: Path, content: str, hours: float) -> None:
    path.write_text(content)
    os.utime(path, ((NOW - timedelta(hours=hours)).timestamp(),) * 2)


PROBE: dict[str, Any] = {
    "kind": "files",
    "folder": "drop",
    "glob": "*.835",
    "mode": "incremental",
    "object": {
        "key": "CLP01",
        "valid_from": "@created",
        "fields": {"status": "CLP02"},
        "amount": {"column": "CLP04", "currency": "USD"},
    },
    "links": [{"role": "payment", "to": "order", "column": "TRN02"}],
    "events": [{"step": "invoice.paid", "time": "@created", "when": {"CLP02": 1}}],
}


def test_claims_of_a_remittance_become_states_links_and_steps(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = make_probe(**PROBE, format={"type": "x12", "transaction": 835})
    deliver(drop / "1.835", remittance(7, "A1", "B2"), 2)
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed, done.links, done.events) == ("ok", 2, 2, 2, 2)
    assert done.complete_through == NOW - timedelta(hours=2)
    first, _ = states(store)
    assert (first["object_key"], first["amount"], first["fields"]) == ("A1", Decimal(80), {"status": "1"})
    assert first["valid_from"] == datetime(2026, 11, 19, 8, 30, tzinfo=UTC)
    assert store.value("SELECT any(to_key) FROM object_links") == "EFT7"


def run_at(store: Store, probe: ProbeFile, workflow: Workflow, minutes: int) -> ProbeRun:
    return run_probe(store, probe, workflow, NOW + timedelta(minutes=minutes))


def test_a_control_number_used_twice_is_told_once_and_takes_nothing_away(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = make_probe(**PROBE, format="x12")
    deliver(drop / "1.835", remittance(7, "A"), 3)
    assert run_at(store, probe, workflow, 0).status == "ok"
    deliver(drop / "2.835", remittance(7, "B"), 2)
    deliver(drop / "3.835", remittance(8, "C") + remittance(8, "D"), 1)
    second = run_at(store, probe, workflow, 5)
    assert (second.status, second.complete, second.error_code, second.changed) == (
        "partial",
        True,
        "remarks",
        3,
    )
    told_of = store.rows("SELECT file, line, reason, fields FROM import_rejects ORDER BY file, line")
    series = "ISA ZZ PAYER ZZ HOSPITAL P"
    assert told_of == [
        {"file": "2.835", "line": 1, "reason": "number_twice", "fields": {"series": series, "number": "7"}},
        {"file": "3.835", "line": 1, "reason": "number_twice", "fields": {"series": series, "number": "8"}},
        {"file": "3.835", "line": 14, "reason": "number_twice", "fields": {"series": series, "number": "8"}},
    ]
    third = run_at(store, probe, workflow, 10)
    assert (third.status, count(store, "import_rejects")) == ("ok", 3)


def test_a_number_left_out_stops_the_watermark_until_it_comes_or_is_excused(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    strict = {"type": "x12", "interchange_numbers": "consecutive"}
    probe = make_probe(**PROBE, format=strict)
    for hours, number in ((6, 999_999_998), (5, 999_999_999), (4, 1), (3, 3)):
        deliver(drop / f"{number}.835", remittance(number, f"C{number}"), hours)
    first = run_at(store, probe, workflow, 0)
    assert (first.status, first.complete, first.error_code, first.changed) == (
        "partial",
        False,
        "number_missing",
        4,
    )
    assert first.error.startswith("control number 2 of ISA ZZ PAYER ZZ HOSPITAL P never came; ask the sender")
    quiet = run_at(store, probe, workflow, 5)
    assert (quiet.complete, quiet.read, count(store, "watermarks")) == (False, 0, 0)
    assert run_at(store, make_probe(**PROBE, format=strict, excused_numbers=[2]), workflow, 10).complete
    deliver(drop / "2.835", remittance(2, "C2"), 2)
    assert (run_at(store, probe, workflow, 15).status, rejects(store)) == ("ok", [])


def test_what_is_readable_in_a_torn_file_is_kept_with_reason_and_place(
    store: Store, make_probe: MakeProbe, workflow: Workflow, drop: Path
) -> None:
    probe = make_probe(**PROBE, format="x12")
    deliver(drop / "1.835", remittance(7, "A", "B").replace("IEA*1", "IEA*2"), 3)
    done = run_at(store, probe, workflow, 0)
    assert (done.status, done.complete, done.error_code, done.changed) == ("partial", False, "not_whole", 2)
    assert "file 1.835" in done.error
    assert "at 17: IEA01 counts 2 groups, there are 1; get it again" in done.error
    rows = store.rows("SELECT file, line, reason, detail FROM import_rejects")
    assert rows == [
        {"file": "1.835", "line": 17, "reason": "not_whole", "detail": "IEA01 counts 2 groups, there are 1"}
    ]
