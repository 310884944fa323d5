"""What keeps a probe from working, one line a question: what was looked at, what was found, what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.findings import Finding
from probes.network import permitted, resolve
from probes.overview import list_probes, set_aside
from probes.probe import ProbeError, ProbeFile, parse_time
from probes.run import DryRun, dry_run
from probes.systems import Systems
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

CHANGED = Path(__file__).parent / "statements" / "columns_changed.sql"
# Clocks that are kept by a time service differ by less.
CLOCKS_DIFFER_S = 5.0
# The question that an error of a reading answers; any other stopped the reading itself.
_QUESTION = {
    "name_unknown": "name resolves", "private_address": "name resolves", "forbidden_address": "name resolves",
    "unreachable": "connects", "tls_refused": "certificate", "bad_certificate": "certificate",
    "auth_failed": "authenticates", "column_missing": "columns", "no_queue": "queues", "no_group": "queues",
}  # fmt: skip
# Questions that are only asked of who was let in.
_LET_IN = {"columns", "queues"}


@dataclass(frozen=True)
class Check:
    """One question. `ok` is None when it does not apply or could not be asked; `then` is what to do next."""

    name: str
    ok: bool | None
    found: str
    then: str = ""


def broken_file(name: str, findings: list[Finding]) -> list[Check]:
    """The checks of a probe whose file has mistakes: nothing more can be asked of it."""
    missing = [f for f in findings if "is not set" in f.message or "cannot be read" in f.message]
    wrong = [f for f in findings if f not in missing]
    then = f"correct the file, then: tieout probe doctor {name}"
    return [
        *(Check("configuration", False, finding.text(), then) for finding in wrong),
        *(
            Check("credentials", False, finding.text(), "set it where tieout runs, or write the file")
            for finding in missing
        ),
    ]


def diagnose(
    store: Store, probe: ProbeFile, workflow: Workflow, now: datetime, systems: Systems, file: Path
) -> list[Check]:
    """All checks of a probe whose file is right, in the order in which one builds on the other.

    Reads the first records; writes nothing. Raises StoreError.
    """
    checks = [
        Check("configuration", True, f"{file} is right"),
        Check("credentials", True, "every ${...} of the file has a value"),
        *_network(probe, systems),
    ]
    if not any(check.ok is False for check in checks):
        checks += _reading(store, probe, workflow, now, systems)
    return [*checks, *_aside(store, probe), *_drift(store, probe, now), *_history(store, probe, now, systems)]


def _network(probe: ProbeFile, systems: Systems) -> Iterator[Check]:
    if not probe.guarded:
        told = f"{probe.place} makes its own requests: hosts, addresses and certificates are not judged here"
        yield Check("name resolves", None, told)
        return
    if not probe.hosts:
        yield Check("name resolves", None, f"{probe.place} is not asked over a network of its own")
        return
    wait_s = probe.timeouts.connect.total_seconds()
    for host, port in probe.hosts:
        try:
            addresses = _addresses(probe, systems, host, port)
        except ProbeError as error:
            yield Check("name resolves", False, str(error), f"ask the name service: getent hosts {host}")
            continue
        yield Check("name resolves", True, f"{host} is {', '.join(addresses)}")
        yield _connects(host, port, addresses, wait_s)


def _addresses(probe: ProbeFile, systems: Systems, host: str, port: int) -> list[str]:
    wait_s = probe.timeouts.connect.total_seconds()
    if probe.networks is None:
        return resolve(host, port, wait_s, probe.place)
    allowed = (*probe.networks, *systems.rule(probe.system).networks)
    return permitted(host, port, allowed, wait_s, probe.place)


def _connects(host: str, port: int, addresses: list[str], wait_s: float) -> Check:
    for address in addresses:
        try:
            with socket.create_connection((address, port), wait_s):
                return Check("connects", True, f"{host} answers at port {port}")
        except OSError:
            continue
    then = f"check that it runs and that no firewall is between: nc -vz {host} {port}"
    return Check("connects", False, f"nobody answers at {host} port {port}", then)


def _reading(
    store: Store, probe: ProbeFile, workflow: Workflow, now: datetime, systems: Systems
) -> Iterator[Check]:
    try:
        # One try: a person is waiting, and a failure is what they want to see.
        once = probe.model_copy(update={"attempts": 1})
        seen = dry_run(store, once, workflow, now, systems=systems)
    except ProbeError as error:
        yield from _stopped(probe, error)
        return
    yield Check("authenticates", True, "the source lets us read")
    some = "the first " if seen.more else ""
    yield Check("reads", True, f"{some}{len(seen.records)} records came from {probe.place}")
    yield _columns(probe, seen)
    yield _understood(probe, seen)
    yield _clock(seen)
    yield _cursor(probe, seen, now)


def _stopped(probe: ProbeFile, error: ProbeError) -> Iterator[Check]:
    """Where on the way the reading stopped; what comes before it went well."""
    question = _QUESTION.get(error.code, "reads")
    if question in _LET_IN:
        yield Check("authenticates", True, "the source lets us read")
    then = f"what {error.code} means stands at the end of the pages in docs/how-to; then: tieout probe doctor {probe.name}"
    yield Check(question, False, str(error), then)


def _columns(probe: ProbeFile, seen: DryRun) -> Check:
    if not seen.records:
        return Check("columns", None, "there is no record to look at")
    if not seen.empty_columns:
        return Check("columns", True, f"all {len(probe.columns)} columns of the file are there")
    if probe.fixed_columns:
        return Check("columns", True, f"the source says nothing of {', '.join(seen.empty_columns)} now")
    return Check(
        "columns", False, f"no record has a value in {', '.join(seen.empty_columns)}",
        f"check the spelling in the probe file, then: tieout probe run {probe.name} --dry-run",
    )  # fmt: skip


def _understood(probe: ProbeFile, seen: DryRun) -> Check:
    aside = [row for row in seen.records if row["change"] == "set aside"]
    if not aside:
        return Check("mapping", True if seen.records else None, f"{len(seen.records)} records are understood")
    details = sorted({row["detail"] for row in aside})
    return Check(
        "mapping", False, f"{len(aside)} of {len(seen.records)} records would be set aside: {'; '.join(details)}",
        f"correct the mapping, then: tieout probe run {probe.name} --dry-run",
    )  # fmt: skip


def _clock(seen: DryRun) -> Check:
    ahead = seen.clock_ahead_s
    if ahead is None:
        return Check("clock", None, "the source does not show its clock")
    far = f"the clock of the source is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) <= CLOCKS_DIFFER_S:
        return Check("clock", True, far)
    return Check(
        "clock",
        False,
        far,
        "set the clock that is wrong, or write complete.lag so long that it does not matter",
    )


def _cursor(probe: ProbeFile, seen: DryRun, now: datetime) -> Check:
    rule = probe.cursor_rule
    if rule is None:
        return Check("cursor", None, "everything is read each time")
    if not seen.cursor:
        return Check("cursor", True, f"no run yet; it begins with the oldest {rule.cursor_path}")
    if rule.timed and parse_time(seen.cursor) > now:
        return Check(
            "cursor", False, f"the next run would read from {seen.cursor}, which is still to come",
            "the source once gave a time in the future; read again with: "
            f"tieout probe backfill {probe.name} --from TIME --to TIME",
        )  # fmt: skip
    return Check("cursor", True, f"the next run reads {rule.cursor_path} from {seen.cursor}")


def _aside(store: Store, probe: ProbeFile) -> Iterator[Check]:
    for row in set_aside(store, probe):
        found = f"{row['records']} records are set aside since {row['last_at']:%Y-%m-%d}: {row['detail']}"
        then = f"they stand in import_rejects; correct the mapping, then: tieout probe repair {probe.name}"
        yield Check(f"set aside ({row['reason']})", False, found, then)


def _drift(store: Store, probe: ProbeFile, now: datetime) -> Iterator[Check]:
    """What changed is told and not called wrong: whether it is, only a person can say."""
    rows = store.rows(read(CHANGED), {"source": probe.name, "since": now - timedelta(days=7)})
    told = [
        f"{row['name']} {row['change']}"
        + (f" from {row['before']} to {row['after']}" if row["change"] == "retyped" else "")
        + f" on {row['known_at']:%Y-%m-%d}"
        + (" (the file names it)" if row["needed"] else "")
        for row in rows
    ]
    if told:
        yield Check("columns of the source", None, "; ".join(told))


def _history(store: Store, probe: ProbeFile, now: datetime, systems: Systems) -> Iterator[Check]:
    [status] = list_probes(store, [probe], now, systems.rules)
    if status.system_state != "closed":
        until = f"{status.asked_again_at:%Y-%m-%d %H:%M:%S} UTC" if status.asked_again_at else "soon"
        yield Check(
            "system", False, f"system {probe.system} is left alone until {until}: too many runs failed in a row",
            f"to try at once: tieout probe run {probe.name}",
        )  # fmt: skip
    if status.status == "never":
        yield Check("last run", None, "it never ran", f"tieout probe run {probe.name}")
        return
    good = status.status == "ok"
    told = f"{status.status} at {status.started_at:%Y-%m-%d %H:%M:%S} UTC"
    retried = (
        f"; {status.failed_tries_24h} of {status.tries_24h} tries in a day failed"
        if status.failed_tries_24h
        else ""
    )
    yield Check("last run", good, f"{told}{retried}{'; ' + status.error if status.error else ''}",
        "" if good else f"tieout probe run {probe.name}")  # fmt: skip
