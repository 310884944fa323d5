"""What runs when. The only code that knows APScheduler.

Everything is scheduled in UTC; a job that is late runs once; a job never runs beside itself; each keeps its own
handle to the store, so a slow one does not hold up the others.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from alerts.deliver import deliver
from alerts.run import evaluate_rules, retire_removed
from collector.derive import derive_events
from core.clock import Clock, SystemClock
from core.errors import TieoutError
from kpis.kpi import Kpi
from probes.run import run_probe
from probes.systems import Systems
from reconcile.acts import Desk
from reconcile.matching.run import match
from reconcile.matching.run import retire as retire_rules
from reconcile.policy import activate_levels
from reconcile.run import reconcile, retire
from reconcile.sweep import sweep
from store.audit import AuditLog
from store.client import Store
from store.sqlfile import read
from tieout.notary import note_activations, note_publication
from tieout.pipeline import SQL, alert_kpis, moment, publish_all
from tieout.project import Project

log = logging.getLogger("tieout.jobs")

GRACE_S = 300
# Probes wait for sources and for each other; the jobs that make figures do not wait behind them.
PROBES_AT_ONCE = 64
# A job that found nothing to do is still seen to run this often.
HEARTBEAT = timedelta(minutes=1)


@dataclass(frozen=True)
class Job:
    """One job: `work(store, now)` gives the number of rows it wrote. `jitter`: it starts up to so much later."""

    name: str
    every: timedelta
    work: Callable[[Store, datetime], int]
    jitter: timedelta = timedelta(0)
    executor: str = "default"


def jobs_of(project: Project, desk: Desk | None = None, audit: AuditLog | None = None) -> list[Job]:
    """Every job of a project, with how often it runs. With a desk, exceptions live; with a log, what is published is in it."""
    every = project.settings.jobs
    workflows = project.workflows
    watched = alert_kpis(project)

    def derive(store: Store, now: datetime) -> int:
        return derive_events(store, workflows.values(), project.settings.correlation, now)

    def reconcile_all(store: Store, now: datetime) -> int:
        done = reconcile(store, list(workflows.values()), now)
        return sum(one.expectations + one.members for one in done) + len(retire(store, workflows, now))

    def match_all(store: Store, now: datetime) -> int:
        decided = sum(one.decisions for one in match(store, project.matching.values(), workflows, now))
        return decided + len(retire_rules(store, project.matching, now))

    def publish(store: Store, chosen: Iterable[Kpi], job: str, now: datetime) -> int:
        run_id = uuid.uuid4().hex
        written = publish_all(store, project, chosen, now, run_id)
        if written and audit is not None:
            note_publication(store, audit, job, run_id, now)
        return written

    def kpis(store: Store, now: datetime) -> int:
        return publish(store, project.kpis.values(), "kpis", now)

    def evaluate(store: Store, now: datetime) -> int:
        written = publish(store, watched, "alerts", now)
        changes = 0
        for workflow in workflows.values():
            rules = project.alerts.rules_of(workflow.workflow)
            changes += len(evaluate_rules(store, rules, moment(store, workflow, now).as_of, now))
        return written + changes

    def send(store: Store, now: datetime) -> int:
        return len(deliver(store, project.alerts, now, f"http://{project.settings.listen.dashboard}"))

    jobs = [
        Job("derive", every.derive, derive),
        Job("reconcile", every.reconcile, _WhileFactsCome(reconcile_all)),
        Job("match", every.match, _WhileFactsCome(match_all)),
        Job("alerts", every.alerts, evaluate),
        Job("deliver", every.deliver, send),
        Job("kpis", every.kpis, kpis),
    ]
    systems = Systems(project.settings.systems)
    if desk is not None and audit is not None:
        jobs.append(Job("exceptions", every.exceptions, _exceptions(project, desk, audit)))
    return jobs + [_probe_job(project, name, systems) for name in project.probes]


class _WhileFactsCome:
    """A job that rests while nothing comes.

    Facts stamped in the last moments are left for the next run, so it runs on a little after the last of them.
    """

    _MORE_RUNS = 2

    def __init__(self, work: Callable[[Store, datetime], int]) -> None:
        self._work = work
        self._seen: dict[str, int] = {}
        self._quiet = 0

    def __call__(self, store: Store, now: datetime) -> int:
        counts = store.one(read(SQL / "fact_counts.sql"))
        self._quiet = self._quiet + 1 if counts == self._seen else 0
        if self._quiet > self._MORE_RUNS:
            return 0
        written = self._work(store, now)
        self._seen = counts
        return written


def _exceptions(project: Project, desk: Desk, audit: AuditLog) -> Callable[[Store, datetime], int]:
    """Brings service levels into force, writes down what came into force, and does what exceptions do by themselves."""

    def run(store: Store, now: datetime) -> int:
        activated = activate_levels(store, project.policy, now)
        noted = note_activations(store, audit, now)
        pairs = {name: moment(store, workflow, now).as_of for name, workflow in project.workflows.items()}
        return activated + noted + sweep(store, desk, pairs, now)

    return run


def _probe_job(project: Project, name: str, systems: Systems) -> Job:
    probe = project.probes[name]
    workflow = project.workflows[probe.workflow]

    def run(store: Store, now: datetime) -> int:
        done = run_probe(store, probe, workflow, now, clock=SystemClock(), systems=systems)
        if done.status == "failed":
            raise TieoutError(f"probe {name}: {done.error}")
        return done.changed

    jitter = probe.every * project.settings.jobs.probe_jitter_ratio
    return Job(f"probe/{name}", probe.every, run, jitter, "probes")


class Runner:
    """Runs jobs on schedule until stopped, and writes what became of each run to `job_runs`."""

    def __init__(self, store: Store, project: Project, clock: Clock, jobs: Sequence[Job]) -> None:
        self._store = store
        self._project = project
        self._clock = clock
        self._jobs = jobs
        self._handles: dict[str, Store] = {}
        self._last_row: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(8),
                "probes": ThreadPoolExecutor(max(1, min(PROBES_AT_ONCE, len(project.probes)))),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S},
        )
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Starts all jobs, each at once and then at its own pace."""
        now = self._clock.now()
        retire_removed(self._store, self._project.alerts.rules, now)
        for number, job in enumerate(self._jobs):
            self._handles[job.name] = self._store.another()
            self._scheduler.add_job(
                self.run_once,
                "interval",
                args=[job],
                id=job.name,
                seconds=job.every.total_seconds(),
                jitter=job.jitter.total_seconds(),
                executor=job.executor,
                # A little apart, so that evidence, verdicts and figures of one start follow each other.
                next_run_time=now + timedelta(milliseconds=200 * number),
            )
        self._scheduler.start()

    def run_once(self, job: Job) -> None:
        """Runs `job` now; an error is written down, not raised, so the next run comes."""
        started = self._clock.now()
        store = self._handles.get(job.name, self._store)
        try:
            rows = job.work(store, started)
        except TieoutError as error:
            log.error("job %s failed: %s", job.name, error)
            self._record(job.name, started, "failed", 0, str(error))
        except Exception as error:  # a bug in one job must not end the others
            log.error("job %s failed: %s", job.name, type(error).__name__)
            self._record(job.name, started, "failed", 0, f"unexpected {type(error).__name__}")
        else:
            self._record(job.name, started, "ok", rows, "")

    def stop(self) -> None:
        """Lets running jobs finish, starts no more, closes their handles."""
        self._scheduler.shutdown(wait=True)
        for handle in self._handles.values():
            handle.close()

    def _missed(self, event: JobExecutionEvent) -> None:
        """Runs that were left out because the one before them took too long: one row a minute."""
        self._record(event.job_id, self._clock.now(), "missed", 0, "the run before it had not ended in time")

    def _record(self, job: str, started: datetime, status: str, rows: int, error: str) -> None:
        """Quiet successes and missed runs are written once a minute: enough to be seen."""
        key = f"{job} {status}"
        with self._lock:
            last = self._last_row.get(key)
            if status != "failed" and not rows and last and started - last < HEARTBEAT:
                return
            self._last_row[key] = started
        row = {
            "run_id": uuid.uuid4().hex, "job": job, "scheduled_at": started, "started_at": started,
            "finished_at": self._clock.now(), "status": status, "rows": rows, "error": error,
        }  # fmt: skip
        try:
            self._store.insert("job_runs", [row])
        except TieoutError as failure:
            log.error("run of %s could not be recorded: %s", job, failure)
