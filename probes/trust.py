"""How far a reading is to be believed: set aside, cut short, torn, still growing, half empty, or older than the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from probes import numbers
from probes.controls import Measured, Miss, expected, missed
from probes.probe import Incremental, ProbeFile
from probes.stage import Stage
from store.client import Store
from store.sqlfile import read

STATEMENTS = Path(__file__).parent / "statements"


@dataclass
class Verdict:
    """How a reading is to be taken. `absences`: objects that are not in it are gone.

    `absent` is how many those are, None where nobody counted. `doubted`: reading the same again may say something else.
    """

    status: str = "ok"
    complete: bool = True
    doubted: bool = False
    absences: bool = False
    absent: int | None = None
    code: str = ""
    text: str = ""

    def doubt(self, code: str, text: str, *, complete: bool = False) -> None:
        """`complete`: what was read still is all there is."""
        self.status, self.code, self.text = "partial", code, text
        self.complete = self.complete and complete
        self.doubted = self.doubted or not (complete or code in ("not_whole", "number_missing"))


@dataclass(frozen=True)
class Before:
    """How far earlier runs had got: their cursor, and the time of the newest file they read (UTC).

    `doubted`: the last run found the source older than before, and nobody said since that it is right.
    `believed`: a person said that the source is right, however much is gone and however old it is.
    """

    cursor: str = ""
    newest_file: datetime | None = None
    doubted: bool = False
    believed: bool = False


def judged(
    store: Store,
    probe: ProbeFile,
    stage: Stage,
    counts: Mapping[str, Any],
    names: Mapping[str, Any],
    before: Before,
) -> Verdict:
    """The verdict on a reading whose records are staged. `counts` are of all of it. Raises StoreError."""
    verdict = Verdict()
    rejected, records = int(counts["rejected"]), int(counts["records"])
    if int(counts["remarks"]):
        text = f"files of probe {probe.name} break rules of their format without loss, see import_rejects"
        verdict.doubt("remarks", text, complete=True)
    if rejected:
        text = f"{rejected} of {records} records of probe {probe.name} are set aside, see import_rejects"
        verdict.doubt("records_set_aside", text, complete=rejected <= probe.max_rejected_ratio * records)
    for miss in _missed_controls(store, probe, stage):
        verdict.doubt(miss.code, f"probe {probe.name}: {miss.text}; nothing is called gone")
    growing = sorted(origin.name for origin in stage.origins.values() if origin.state == "growing")
    if growing:
        text = f"file {growing[0]} in {probe.place} is still being written; it is read once it rests"
        verdict.doubt("still_growing", text)
    doubt_numbers(store, probe, stage, names, verdict)
    for name, bad in sorted(stage.torn.items())[:1]:
        text = (
            f"file {name} in {probe.place} is not what was sent, at {bad.number}: {bad.detail}; get it again"
        )
        verdict.doubt("not_whole", text)
    if not before.believed:
        _doubt_the_source(store, probe, stage, counts, names, before, verdict)
    # A line that could not be read may be the very object that seems to be gone.
    whole = stage.whole and verdict.complete and not counts["broken_lines"]
    verdict.absences = whole and verdict.absent != 0
    return verdict


def doubt_numbers(
    store: Store, probe: ProbeFile, stage: Stage, names: Mapping[str, Any], verdict: Verdict
) -> None:
    """Doubts the verdict when control numbers are missing that senders never leave out. Raises StoreError."""
    if not stage.origins:
        return
    gap = numbers.missing(store, names, probe.excused_numbers)
    if gap:
        text = f"{gap}; ask the sender of probe {probe.name}, or list it in excused_numbers"
        verdict.doubt("number_missing", text)


def cursor_order(rule: Incremental, text: str) -> Any:
    """What cursors of a kind are compared by."""
    return Decimal(text) if rule.type == "number" else text


def older_files(stage: Stage, newest: datetime | None) -> bool:
    """Whether all files of a full reading are older than one that was read before."""
    times = [origin.as_of for origin in stage.origins.values() if origin.as_of is not None]
    return bool(times) and newest is not None and max(times) < newest


def _doubt_the_source(
    store: Store,
    probe: ProbeFile,
    stage: Stage,
    counts: Mapping[str, Any],
    names: Mapping[str, Any],
    before: Before,
    verdict: Verdict,
) -> None:
    # What a torn file lacks makes it no older; a doubt that was there before is not ended by it either.
    older = (
        "" if stage.torn and not before.doubted else _went_back(store, probe, stage, counts, names, before)
    )
    if older:
        verdict.doubt("source_went_back", _restored(probe, older))
    elif stage.whole and verdict.complete:
        _doubt_absences(store, probe, stage, names, verdict)


def _restored(probe: ProbeFile, why: str) -> str:
    return (
        f"{why}: the source of probe {probe.name} looks as if it was restored to an older state; nothing is "
        f"called gone. If it is right as it is: tieout probe run {probe.name} --believe"
    )


def _went_back(
    store: Store,
    probe: ProbeFile,
    stage: Stage,
    counts: Mapping[str, Any],
    names: Mapping[str, Any],
    before: Before,
) -> str:
    """What shows that the source is older than it was at the last reading; empty when nothing does."""
    rule = probe.cursor_rule
    if rule is not None:
        newest = str(counts["newest_cursor"] or "") if counts["records"] else ""
        behind = before.cursor and (
            not newest or cursor_order(rule, newest) < cursor_order(rule, before.cursor)
        )
        # Without an overlap nothing of what was read before is asked for again.
        if behind and rule.lower(before.cursor) != before.cursor and not _no_overlap(rule):
            return f"{rule.cursor_path} had come to {before.cursor}, and no record is that new any more"
        return ""
    if probe.mode == "full" and older_files(stage, before.newest_file):
        return f"a file of {before.newest_file:%Y-%m-%d %H:%M:%S} UTC was read, and only older ones are there"
    if stage.whole and probe.object.valid_from:
        return _older_records(store, probe, names, before)
    return ""


def _no_overlap(rule: Incremental) -> bool:
    return rule.overlap in (0, timedelta(0))


def _older_records(store: Store, probe: ProbeFile, names: Mapping[str, Any], before: Before) -> str:
    """Business times of records only grow. One record that is older, with the newest gone, is a restored state.

    Its older states are stored, so the next reading looks like this one: the doubt stays until something newer comes.
    """
    times = store.one(read(STATEMENTS / "newest.sql"), names)
    newest, now = times["newest_ever"], times["read_to"]
    if not times["records"] or newest is None or now >= newest:
        return ""
    if before.doubted:
        return f"nothing as new as {newest:%Y-%m-%d %H:%M:%S} UTC has come since"
    found = store.one(read(STATEMENTS / "went_back.sql"), names)
    older, lost = int(found["older"]), int(found["lost"])
    whole = older > 0 or (lost > 1 and lost == int(found["lost_newer"]))
    if not found["went_back"] or not whole:
        return ""
    return (
        f"the newest {probe.object.valid_from} was {found['stored_to']:%Y-%m-%d %H:%M:%S} and is "
        f"{now:%Y-%m-%d %H:%M:%S} UTC, {older} records are older than before and {lost} are gone"
    )


def _doubt_absences(
    store: Store, probe: ProbeFile, stage: Stage, names: Mapping[str, Any], verdict: Verdict
) -> None:
    found = [store.one(read(STATEMENTS / "absent.sql"), {**names, **part}) for part in stage.slices()]
    absent, live = (sum(int(each[name]) for each in found) for name in ("absent", "live"))
    verdict.absent = absent
    if absent and absent > probe.max_absent_ratio * live:
        verdict.doubt(
            "too_many_absent",
            f"{absent} of {live} known objects are missing from the reading of probe {probe.name}; "
            "nothing was marked as deleted: check the source; if they are gone: "
            f"tieout probe run {probe.name} --believe",
        )


def _missed_controls(store: Store, probe: ProbeFile, stage: Stage) -> list[Miss]:
    controls = probe.controls
    if not controls:
        return []
    wanted = expected(controls, stage.said)
    asked = [(one.control, one.origin, controls[one.control].column) for one in wanted]
    mark = probe.object.amount.decimal if probe.object.amount else "."
    params = {"reading": stage.reading, "controls": asked, "decimal": mark}
    measured = {
        (row["control"], row["of_origin"]): Measured(
            int(row["records"]), None if row["total"] is None else Decimal(row["total"])
        )
        for row in store.rows(read(STATEMENTS / "measured.sql"), params)
    }
    return missed(controls, wanted, measured, mark)
