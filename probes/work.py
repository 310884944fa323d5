"""The work of one run: what to read, what it means, what is new, and what goes on record.

Order of writing: facts first, then the watermark that builds on them, last the record of the run with the
cursor. A run that is killed anywhere is repeated from the same cursor, and what it wrote is found there.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.clock import Clock
from probes import numbers
from probes.drift import Columns
from probes.probe import ProbeError, ProbeFile, Window
from probes.reader import Attempt, Reader
from probes.stage import ALL_OBJECTS, ALL_RECORDS, COUNTED_ROWS, Stage
from probes.systems import Place
from probes.texts import iso
from probes.trust import Before, Verdict, cursor_order, doubt_numbers, judged, older_files
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

STATEMENTS = Path(__file__).parent / "statements"


@dataclass(frozen=True)
class ProbeRun:
    """What one run did. Times in UTC; `status` is ok, partial, failed or skipped; `complete`: absence is proven.

    `changed` are snapshots written, `deleted` those of them that say an object is gone. `error` is a sentence
    for people, without payload or secret. `unserved`: the system did not serve it. `clock_ahead_s`: how far
    the clock of the source was ahead of ours.
    """

    run_id: str
    probe: str
    kind: str
    system: str
    started_at: datetime
    finished_at: datetime
    status: str
    complete: bool
    attempts: int
    read: int = 0
    changed: int = 0
    deleted: int = 0
    links: int = 0
    events: int = 0
    rejected: int = 0
    cursor: str = ""
    complete_through: datetime | None = None
    error_code: str = ""
    error: str = ""
    unserved: bool = False
    clock_ahead_s: float | None = None
    purpose: str = "run"
    mapping: str = ""
    columns: tuple[str, ...] = ()


@dataclass
class Work:
    """One reading, from the window it asks for to the record of what it did. `label` names its part of the stage."""

    store: Store
    probe: ProbeFile
    workflow: Workflow
    now: datetime
    clock: Clock
    monotonic: Callable[[], float]
    label: str
    limit: int = 0
    place: Place | None = None
    believe: bool = False
    purpose: str = "run"

    def __post_init__(self) -> None:
        self.run_id = uuid.uuid4().hex
        self.stage = Stage(self.store, self.probe, self.label, self.run_id, self.now, self.limit)
        self.attempts: list[Attempt] = []
        self.clock_ahead_s: float | None = None
        self.last_cursor = ""
        self.seen: dict[str, str] = {}
        self.newest_file: datetime | None = None
        self.doubted = False
        self.corrected = False
        said = self.judging() | {"reading": "", "run_id": ""}
        self.mapping = hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:16]

    def window(self) -> Window:
        """What to read, given what earlier runs have read."""
        rule = self.probe.cursor_rule
        last = self.store.one(read(STATEMENTS / "last_run.sql"), self.names())
        self.doubted = last.get("error_code") == "source_went_back"
        self.corrected = last.get("mapping", "") not in ("", self.mapping)
        self.last_cursor = str(last.get("cursor", "")) if rule or self.probe.own_cursor else ""
        path, _, value = self.last_cursor.partition("=")
        # A cursor of another column says nothing about this one: begin again.
        cursor = rule.lower(value if path == rule.cursor_path else "") if rule else self.last_cursor
        rows = self.store.rows(read(STATEMENTS / "files_seen.sql"), self.names())
        self.newest_file = max((row["last_as_of"] for row in rows if row["of_last"]), default=None)
        # What is believed anew is read anew.
        self.seen = {} if self.believe else {row["file"]: row["last_fingerprint"] for row in rows}
        return self._bounded(Window(self.now, cursor, seen=self.seen))

    def _bounded(self, window: Window) -> Window:
        """The window with the limits of this run: its time, the pace of its system, the networks it may reach."""
        give_up_at = self.monotonic() + self.probe.timeouts.total.total_seconds()
        window = replace(window, monotonic=self.monotonic, give_up_at=give_up_at, clock=self.clock)
        if self.place is None:
            return window
        return replace(window, wait_turn=self.place.turn, networks=self.place.rule.networks)

    def work_on(self, since: datetime, until: datetime) -> ProbeRun:
        """Reads one window of a time gone by."""
        self._read(self._bounded(Window(until, iso(since))))
        known_at = self.clock.now()
        self.judge()
        counts = self.store.one(read(STATEMENTS / "read_so_far.sql"), self._counting())
        # It is older than the last reading by intent.
        verdict = judged(self.store, self.probe, self.stage, counts, self.names(), Before(believed=True))
        self._write_facts(verdict, known_at, states="history")
        return self._counted(verdict, counts, known_at)

    def judge_again(self) -> ProbeRun:
        """Judges what earlier runs set aside."""
        known_at = self.clock.now()
        self.command("set_aside", self.names() | {"columns": list(self.probe.columns)})
        self.judge()
        counts = self.store.one(read(STATEMENTS / "read_so_far.sql"), self._counting())
        self._write_facts(Verdict(), known_at, states="history")
        self.command("repaired", self.names() | {"known_at": known_at})
        return self._counted(Verdict(), counts, known_at)

    def _read(self, window: Window) -> None:
        reader = Reader(self.stage, self.probe, window, self.clock)
        self.attempts = reader.attempts
        try:
            reader.read_all()
        finally:
            self.clock_ahead_s = reader.clock_ahead_s

    def work(self) -> ProbeRun:
        self._read(self.window())
        known_at = self.clock.now()
        if self._nothing_new():
            verdict = Verdict()
            doubt_numbers(self.store, self.probe, self.stage, self.names(), verdict)
            return self._finished(verdict, self._empty_counts(), known_at, self.last_cursor)
        self.judge()
        counts = self.store.one(read(STATEMENTS / "read_so_far.sql"), self._counting())
        columns = Columns(self.store, self.probe, self.stage)
        columns.check(int(counts["records"]))
        repeats = numbers.keep(self.store, self.stage, self.names(), known_at)
        counts = {**counts, "remarks": int(counts["remarks"]) + repeats}
        cursor = self._next_cursor(counts)
        verdict = judged(self.store, self.probe, self.stage, counts, self.names(), self._before())
        self._write_facts(verdict, known_at)
        if verdict.complete:
            columns.remember(self.run_id, known_at)
        return self._finished(verdict, counts, known_at, cursor if verdict.complete else self.last_cursor)

    def failed(
        self, code: str | int | None, text: str, *, unserved: bool = False, status: str = "failed"
    ) -> ProbeRun:
        short = code if isinstance(code, str) else f"store_{code}" if code else "failed"
        return replace(
            self._done(status), read=self.stage.number, error_code=short, error=text, unserved=unserved
        )

    def _done(self, status: str) -> ProbeRun:
        probe = self.probe
        return ProbeRun(
            self.run_id, probe.name, probe.kind, probe.system, self.now, self.clock.now(), status, False,
            len(self.attempts), clock_ahead_s=self.clock_ahead_s, purpose=self.purpose,
            mapping=self.mapping, columns=probe.columns,
        )  # fmt: skip

    def command(self, name: str, params: dict[str, Any]) -> None:
        self.store.command(read(STATEMENTS / f"{name}.sql"), params)

    def judge(self) -> None:
        """Turns the records into states. Where every object comes once, each record is judged by itself."""
        params = self.judging()
        several = read(STATEMENTS / "several.sql")
        again = any(
            self.store.one(several, params | part)["again"] for part in self.stage.slices(COUNTED_ROWS)
        )
        parts = (
            [ALL_RECORDS | part for part in self.stage.slices()]
            if again
            else [ALL_OBJECTS | part for part in self.stage.pieces()]
        )
        for part in parts:
            self.command("judge", params | part | {"any_several": again})

    def sliced(self, name: str, params: dict[str, Any]) -> None:
        """The statement for a part of the objects after the other."""
        for part in self.stage.slices():
            self.command(name, params | part)

    def names(self) -> dict[str, Any]:
        return {
            "reading": self.stage.reading,
            "source": self.probe.name,
            "system": self.probe.system,
            "object_type": self.probe.object.type,
            "workflow": self.probe.workflow,
            "run_id": self.run_id,
        }

    def judging(self) -> dict[str, Any]:
        """The probe file as parameters of the statement that turns records into states."""
        probe, state = self.probe, self.probe.object
        amount = state.amount
        names = sorted(state.fields)
        rules = {name: list(kind.key) for name, kind in self.workflow.objects.items()}
        return self.names() | {
            "key": list(state.key),
            "key_rules": rules[state.type],
            "valid_from": state.valid_from,
            "deleted": state.deleted,
            "amount": amount.column if amount else "",
            "currency": amount.currency if amount else "",
            "currency_column": amount.currency_column if amount else "",
            "decimal": amount.decimal if amount else ".",
            "names": names,
            "columns": [state.fields[name] for name in names],
            "timezone": probe.timezone,
            "dates": probe.dates,
            "links": [
                (link.role, link.to, list(link.column), link.split, link.inverse, rules[link.to])
                for link in probe.links
            ],
            "steps": [
                (rule.step, rule.time, [(column, list(values)) for column, values in rule.when.items()])
                for rule in probe.events
            ],
        }

    def _counting(self) -> dict[str, Any]:
        rule = self.probe.cursor_rule
        return self.names() | {
            "timezone": self.probe.timezone,
            "cursor": rule.cursor_path if rule else "",
            "cursor_type": rule.type if rule else "",
            "complete": self.probe.complete.column,
            "end": self.now,
        }

    def _empty_counts(self) -> dict[str, Any]:
        return {"records": 0, "rejected": 0, "newest_complete": None}

    def _nothing_new(self) -> bool:
        """All files are the ones read before: the state is the one stored before."""
        states = {origin.state for origin in self.stage.origins.values()}
        older = self.probe.mode == "full" and older_files(self.stage, self.newest_file)
        return states == {"unchanged"} and not self.stage.number and not older

    def _before(self) -> Before:
        """Where the runs before this one had got to."""
        rule = self.probe.cursor_rule
        path, _, value = self.last_cursor.partition("=")
        cursor = value if rule and path == rule.cursor_path else ""
        return Before(cursor, self.newest_file, self.doubted, self.believe)

    def _next_cursor(self, counts: dict[str, Any]) -> str:
        rule = self.probe.cursor_rule
        if self.stage.cursor:
            return self.stage.cursor
        if rule is None:
            return self.last_cursor
        if not counts["records"]:
            # Believed to be empty beyond the cursor, a source is read from its beginning once more.
            return "" if self.believe else self.last_cursor
        newest = counts["newest_cursor"]
        if not counts["with_cursor"] or not newest:
            raise ProbeError(
                "no_cursor",
                f"no record of probe {self.probe.name} has a usable {rule.cursor_path!r}; "
                "check cursor_path and type of incremental",
            )
        before = self._before().cursor
        # Read again with an overlap, a quiet source gives only records older than the cursor.
        if before and not self.believe and cursor_order(rule, before) > cursor_order(rule, newest):
            return self.last_cursor
        return f"{rule.cursor_path}={newest}"

    def _write_facts(self, verdict: Verdict, known_at: datetime, states: str = "changes") -> None:
        workflow = self.workflow
        params = self.names() | {
            "as_of": self._as_of() or self.stage.as_of,
            "captured_at": self.now,
            "known_at": known_at,
            "dimensions": list(workflow.dimensions),
            "failed_steps": [name for name, step in workflow.steps.items() if step.failed],
            "all_steps": sorted({rule.step for rule in self.probe.events}),
        }
        self.command("rejects", params)
        self.sliced(states, params)
        if verdict.absences:
            self.sliced("deletions", params)
        if self.probe.links:
            self.command("links", params)
        if self.probe.events:
            self.command("steps", params)

    def _finished(
        self, verdict: Verdict, counts: dict[str, Any], known_at: datetime, cursor: str
    ) -> ProbeRun:
        through = self._complete_through(counts) if verdict.complete else None
        if through is not None:
            mark = {"source": self.probe.name, "complete_through": through, "heartbeat_at": self.now}
            self.store.insert("watermarks", [mark | {"known_at": known_at, "run_id": self.run_id}])
        self._remember_files(verdict, known_at)
        return replace(self._counted(verdict, counts, known_at), cursor=cursor, complete_through=through)

    def _counted(self, verdict: Verdict, counts: dict[str, Any], known_at: datetime) -> ProbeRun:
        wrote = self.store.one(read(STATEMENTS / "written.sql"), self.names() | {"known_at": known_at})
        return replace(
            self._done(verdict.status), complete=verdict.complete, read=int(counts["records"]),
            changed=int(wrote["snapshots"]), deleted=int(wrote["absent"]), links=int(wrote["links"]),
            events=int(wrote["events"]), rejected=int(counts["rejected"]), error_code=verdict.code,
            error=verdict.text,
        )  # fmt: skip

    def _complete_through(self, counts: dict[str, Any]) -> datetime | None:
        rule = self.probe.complete
        if rule.by == "nothing":
            return None
        if rule.by == "run":
            return self._as_of()
        newest: datetime | None = counts["newest_complete"]
        if counts["records"] and newest is not None:
            return min(newest, self.now) - rule.lag
        before = self.store.one(read(STATEMENTS / "last_mark.sql"), self.names())
        return before["complete_at"] if before["marks"] else None

    def _as_of(self) -> datetime | None:
        """The time the reading speaks of: of files, when they were written; else now. None: no file yet."""
        times = [
            origin.as_of
            for origin in self.stage.origins.values()
            if origin.as_of and origin.state != "growing"
        ]
        lag = self.probe.complete.lag
        if times:
            return (min(times) if self.probe.mode == "full" else max(times)) - lag
        return None if self.probe.reads_files else self.now - lag

    def _remember_files(self, verdict: Verdict, known_at: datetime) -> None:
        """A reading that was not believed is not one to rest on: its files are read again.

        Where every file stands for itself, those that hold are known, whatever the others are.
        """
        if verdict.doubted or (self.probe.mode == "full" and not verdict.complete):
            return
        fresh = [
            o
            for o in self.stage.origins.values()
            if o.fingerprint and o.fingerprint != self.seen.get(o.name) and o.name not in self.stage.torn
        ]
        common = {"probe": self.probe.name, "run_id": self.run_id, "known_at": known_at}
        rows = [common | {"file": o.name, "fingerprint": o.fingerprint, "as_of": o.as_of} for o in fresh]
        self.store.insert("probe_files", rows)


def record(store: Store, done: ProbeRun, attempts: Iterable[Attempt]) -> None:
    common = {"run_id": done.run_id, "probe": done.probe, "system": done.system}
    store.insert("probe_attempts", [common | asdict(attempt) for attempt in attempts])
    row = asdict(done)
    names = {"read": "records_read", "changed": "records_changed", "rejected": "records_rejected"}
    left_out = {"deleted", "links", "events", "complete_through"}
    store.insert(
        "probe_runs", [{names.get(key, key): value for key, value in row.items() if key not in left_out}]
    )
