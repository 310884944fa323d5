"""HL7 v2 in files: messages of others read completely, batches checked, values as the standard means them."""

from __future__ import annotations

import io
import logging
import os
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probes.formats.hl7v2
from probes.formats.contract import Source
from probes.formats.hl7_segments import segments_of
from probes.formats.hl7v2 import Message, messages
from probes.formats.times import iso_time
from probes.probe import ProbeError, ProbeFile
from probes.run import run_probe
from store.client import Store
from tests.conftest import NOW
from tests.probes.reading import format_of, told
from tests.probes.samples import samples
from tests.probes.source import states
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
SAMPLES = samples("hl7v2_messages")


def test_every_message_of_every_sample_is_read_and_every_segment_of_one_kind() -> None:
    """Counted a second time in the bytes."""
    read: Counter[str] = Counter()
    for content in SAMPLES.values():
        text = content.decode("utf-8-sig")
        assert told("hl7v2", content, ["MSH-10"]).bad == []
        for level in ("MSH", "PID", "OBX", "FT1", "IN1", "ORC", "AIP"):
            found = told("hl7v2", content, [f"{level}-1"], level=level)
            assert len(found.rows) == len(re.findall(rf"^{level}\|", text, re.MULTILINE))
            read[level] += len(found.rows)
    assert read["MSH"] == len(SAMPLES) == 139
    assert read["FT1"] == 25
    assert read["OBX"] > 100


def test_a_control_id_alone_is_not_an_identity() -> None:
    """`MSG00001` is in 60 files of the samples; with what identifies its sender, it is one message more often."""
    ids = [told("hl7v2", content, ["MSH-10", "MSH-3", "MSH-4"]).rows[0] for content in SAMPLES.values()]
    assert sum(row["MSH-10"] == "MSG00001" for row in ids) == 60
    expected = Counter(f"MSH {row['MSH-3'] or ''} {row['MSH-4'] or ''} {row['MSH-10']}" for row in ids)
    counted = Counter(
        number.series
        for content in SAMPLES.values()
        for number in told("hl7v2", content, ["MSH-10"], control_ids="unique").counted
    )
    assert counted == expected


def test_every_value_of_every_sample_is_the_one_that_the_hl7_library_finds() -> None:
    """First, second and third components and subcomponents of every field of every segment."""
    compared = 0
    for content in SAMPLES.values():
        [message] = [
            found
            for found in messages(Source(io.BytesIO(content), "", ()), "utf-8")
            if isinstance(found, Message)
        ]
        ours = segments_of(message.segments)
        assert ours is not None
        for segment, theirs in zip(ours, hl7.parse("\r".join(message.segments)), strict=True):
            for field in range(1, len(theirs)):
                repetitions = segment.repetitions(field)
                assert len(repetitions) == len([text for text in [str(theirs[field])] if text]) * len(
                    theirs[field]
                )
                for number, repetition in enumerate(repetitions, start=1):
                    for component, part in product((1, 2, 3), (1, 2, 3)):
                        try:
                            expected = theirs.extract_field(1, field, number, component, part)
                        except IndexError:
                            expected = ""
                        value = segment.value(field, repetition, component, part)
                        if "\\" not in value + expected and "_" not in expected:
                            assert value == expected.strip()
                            compared += 1
    assert compared > 50_000


MESSAGE = "\r".join(
    [
        r"MSH|^~\&|ADT|HOSP|TIEOUT||202611190830-0500||DFT^P03^DFT_P03|M1|P|2.5",
        r"PID|1||77^^^A^AN~4711&x^^^B^MR||Doe^J\S\ane \T\ co\.br\next \X48C3BC\ \Zz\ ||" "",
        r"PV1|1|I|||||||||||||||||V19",
        r"FT1|1|||20261119|||C1^Visit||||100.50|",
        r"ZZZ|own",
        r"FT1|2|||202611190915|||C2||||7",
    ]
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("MSH-1", "|"),
        ("MSH-2", r"^~\&"),
        ("MSH-9", "DFT"),
        ("MSH-9.2", "P03"),
        ("PID-3", "77"),
        ("PID-3[2]", "4711"),
        ("PID-3[2].1.2", "x"),
        ("PID-3[5=MR].1", "4711"),
        ("PID-3[5=XX].1", None),
        ("PID-3.9", None),
        ("PID-3.1.9", None),
        ("PID-7", None),
        ("PID-99", None),
        ("list(PID-3.1)", '["77", "4711"]'),
        ("list(FT1-7)", '["C1", "C2"]'),
        ("PID-5.2", "J^ane & co\nnext Hü \\Zz\\"),
        ("time(MSH-7)", "2026-11-19 08:30:00-05:00"),
        ("FT1-11", "100.50"),
        ("@number", "1"),
    ],
)
def test_a_column_is_a_place_in_the_message(column: str, value: str | None) -> None:
    assert format_of("hl7v2").misnamed(column) == ""
    assert told("hl7v2", MESSAGE, [column]).rows == [{column: value}]


def test_a_repeated_segment_is_a_record_with_what_follows_it_and_what_the_message_says() -> None:
    columns = ["FT1-1", "FT1-11", "ZZZ-1", "PV1-19", "MSH-10", "@number"]
    found = told("hl7v2", MESSAGE, columns, level="FT1")
    assert [list(row.values()) for row in found.rows] == [
        ["1", "100.50", "own", "V19", "M1", "1"],
        ["2", "7", None, "V19", "M1", "2"],
    ]
    assert found.lines == [4, 6]


@pytest.mark.parametrize("column", ["PID", "pid-3", "PID.3", "PID-0", "sum(FT1-11)", "PID-3[]", "time(PID)"])
def test_a_place_that_is_none_is_refused_with_examples(column: str) -> None:
    assert "like PID-3" in format_of("hl7v2").misnamed(column)


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\r\x1c\r\x0b"])
def test_segments_end_as_they_like_and_frames_of_the_wire_are_no_part(ending: str) -> None:
    content = (
        "\x0b"
        + MESSAGE.replace("\r", "\r" if "\x1c" in ending else ending)
        + ending
        + MESSAGE.replace("M1", "M2")
    )
    found = told("hl7v2", content, ["MSH-10", "PV1-19"])
    assert [row["MSH-10"] for row in found.rows] == ["M1", "M2"]
    assert found.bad == []


def test_only_the_messages_that_are_wanted_become_records() -> None:
    content = MESSAGE + "\r" + MESSAGE.replace("DFT^P03", "ADT^A01").replace("M1", "M2")
    for wanted, ids in ((["DFT"], ["M1"]), (["ADT^A01"], ["M2"]), (["ADT^A02"], []), ([], ["M1", "M2"])):
        found = told("hl7v2", content, ["MSH-10"], messages=wanted)
        assert [row["MSH-10"] for row in found.rows] == ids


BATCH = f"FHS|^~\\&|A\rBHS|^~\\&|A\r{MESSAGE}\r{MESSAGE}\rBTS|2\rFTS|1\r"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("", ""), []),
        (("BTS|2", "BTS|3"), [(15, "BTS-1 counts 3 messages, there are 2")]),
        (("BTS|2", "BTS|many"), [(15, "BTS-1 counts an unreadable number of messages, there are 2")]),
        (("BTS|2", "BTS"), []),
        (("FTS|1", "FTS|2"), [(16, "FTS-1 counts 2 batches, there are 1")]),
        (("FTS|1\r", ""), [(15, "the FHS that begins at 1 has no FTS")]),
        (("BTS|2\rFTS|1\r", ""), [(14, "the BHS that begins at 2 has no BTS"), (14, "the FHS that begins at 1 has no FTS")]),
        (("BHS|^~\\&|A\r", ""), [(14, "BTS ends a BHS that never began"), (15, "FTS-1 counts 1 batches, there are 0")]),
    ],
)  # fmt: skip
def test_batches_say_how_much_is_in_them(change: tuple[str, str], wrong: list[tuple[int, str]]) -> None:
    found = told("hl7v2", BATCH.replace(*change), ["MSH-10"])
    assert found.wrong("not_whole") == wrong
    assert len(found.rows) == 2


def test_what_is_no_segment_or_no_message_is_set_aside() -> None:
    content = MESSAGE.replace("ZZZ|own", "and so on") + "\rMSH\r" + MESSAGE
    found = told("hl7v2", content, ["MSH-10"])
    assert found.wrong("bad_line") == [
        (5, "the line is no segment of a message"),
        (7, "the message cannot be taken apart"),
    ]
    assert len(found.rows) == 2


@pytest.mark.parametrize("content", ["", "PID|1\r", "<xml/>", "ISA*00*"])
def test_what_is_no_hl7_is_refused(content: str) -> None:
    with pytest.raises(ProbeError) as refused:
        told("hl7v2", content, ["MSH-10"])
    assert refused.value.code == "bad_file"


def test_a_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.formats.hl7v2, "MAX_MESSAGE_CHARACTERS", 1000)
    with pytest.raises(ProbeError) as refused:
        told("hl7v2", MESSAGE + "\rOBX|1|secret" * 200, ["MSH-10"])
    assert refused.value.code == "too_large"
    assert "secret" not in str(refused.value)


@given(text=st.text(alphabet='MSHPID|^~\\&\r\n AZ09.X"', max_size=60))
def test_whatever_comes_after_a_header_is_read_or_set_aside(text: str) -> None:
    content = f"MSH|^~\\&|{text}\rPID|1||{text}"
    found = told("hl7v2", content, ["MSH-10", "PID-3[5=MR].1", "list(PID-5.2)", "time(MSH-7)"])
    assert found.rows or found.bad


def test_no_text_of_a_message_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told("hl7v2", MESSAGE.replace("Doe", r"Canary\Cxyz\\Mabc\\\ "), ["PID-5", "list(PID-5.2)"])
    assert "Canary" not in caplog.text


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("20261119", "2026-11-19"),
        ("2026111908", "2026-11-19 08:00:00"),
        ("202611190830", "2026-11-19 08:30:00"),
        ("20261119083015.1234567", "2026-11-19 08:30:15.123456"),
        ("20261119083015+0100", "2026-11-19 08:30:15+01:00"),
        ("19.11.2026", "19.11.2026"),
        ("2026111", "2026111"),
        (None, None),
    ],
)
def test_times_without_signs_between_are_times(text: str | None, time: str | None) -> None:
    assert iso_time(text) == time


def test_charges_become_states_with_money_and_the_time_of_the_service(
    store: Store, make_probe: MakeProbe, workflow: Workflow, tmp_path: Path
) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "1.hl7").write_text(MESSAGE)
    os.utime(folder / "1.hl7", ((NOW - timedelta(hours=1)).timestamp(),) * 2)
    state: dict[str, Any] = {
        "key": ["PV1-19", "FT1-1"],
        "valid_from": "time(FT1-4)",
        "fields": {"code": "FT1-7"},
        "amount": {"column": "FT1-11", "currency": "USD"},
    }
    probe = make_probe(
        kind="files", folder="drop", format={"type": "hl7v2", "level": "FT1", "messages": ["DFT"]},
        mode="incremental", object=state, timezone="America/Chicago",
    )  # fmt: skip
    done = run_probe(store, probe, workflow, NOW)
    assert (done.status, done.read, done.changed) == ("ok", 2, 2)
    first, second = states(store)
    assert (first["object_key"], first["amount"], first["fields"]) == (
        "V19/1",
        Decimal("100.5"),
        {"code": "C1"},
    )
    assert second["valid_from"] == datetime(2026, 11, 19, 15, 15, tzinfo=UTC)
