"""What a page looks at: which workflow, as of when, as known when, over which period. All of it stands in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from calendars.periods import PeriodSpan
from dashboard import data, words
from workflows.model import Rule, Workflow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)

# Names in the URL.
WORKFLOW, AS_OF, KNOWN, PERIOD = "wf", "as_of", "known", "period"

AUTO = "auto"
PERIODS = {
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
    "90 days": timedelta(days=90),
    "year": timedelta(days=365),
}
# `auto` takes the shortest period with so many events in it: a rate of three items says nothing.
ENOUGH_EVENTS = 50
# A source this far behind V is named as stale: what fell due since cannot be decided.
STALE_AFTER = timedelta(hours=1)
# Rules that tell of an absence, and so need sources that prove it.
_PROVEN_KINDS = ("sequence", "tie_out", "reference", "landed")
# How many periods a history goes back.
PERIODS_SHOWN = 12


@dataclass(frozen=True)
class Proof:
    """Up to when the absences that one rule tells of are proven: by the most advanced of its sources, for any one
    is enough. `sources` are those that reported; when none ever did, all of them, and `through` is null."""

    sources: tuple[str, ...]
    through: datetime | None


@dataclass(frozen=True)
class Matching:
    """A matching rule: its title, and owners and codes of the exceptions that it ever found."""

    name: str
    title: str
    owners: tuple[str, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """One look at one workflow. `as_of` is V, `known_at` is K; `latest` when nobody chose a day. `fiscal`: the fiscal
    period that was chosen, which V is in or the end of.
    """

    workflow: Workflow
    as_of: datetime
    known_at: datetime
    period: timedelta
    period_name: str
    latest: bool
    proofs: tuple[Proof, ...]
    first_at: datetime | None
    known_events: int
    known_day_chosen: bool = False
    fiscal: str = ""
    matching: tuple[Matching, ...] = ()

    @property
    def has_evidence(self) -> bool:
        """Whether anything was ever heard of this workflow."""
        return self.first_at is not None or any(proof.through for proof in self.proofs)

    @property
    def in_the_dark(self) -> bool:
        """Whether nothing had happened by V as far as was known at K."""
        return not self.known_events and not any(proof.through for proof in self.proofs)

    @property
    def periods(self) -> int:
        """How many periods back from V there is something to show, at most `PERIODS_SHOWN`."""
        if self.first_at is None:
            return 1
        return max(1, min(PERIODS_SHOWN, -(-(self.as_of - self.first_at) // self.period)))

    @property
    def before(self) -> datetime:
        """Start of the period, which is the end of the one before."""
        return self.as_of - self.period

    @property
    def through(self) -> datetime | None:
        """Business time up to which everything that can be proven is proven."""
        return min((proof.through for proof in self.proofs if proof.through), default=None)

    @property
    def late(self) -> tuple[Proof, ...]:
        """What cannot be decided up to V: rules whose sources never reported or are behind."""
        late = (
            proof for proof in self.proofs if not proof.through or self.as_of - proof.through > STALE_AFTER
        )
        return tuple(dict.fromkeys(late))

    @property
    def stale(self) -> bool:
        """Whether some of what fell due lately cannot be decided."""
        return self.has_evidence and bool(self.late)

    @property
    def pair(self) -> dict[str, datetime]:
        """V and K as query parameters."""
        return {"as_of": self.as_of, "known_at": self.known_at}

    @property
    def scope(self) -> dict[str, Any]:
        """Workflow, V and K as query parameters."""
        return {"workflow": self.workflow.workflow, **self.pair}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What figures can be cut by."""
        return ("owner", "expectation", "code", *self.workflow.dimensions)

    def rule(self, expectation: str) -> Rule | None:
        """The rule of that name, if the workflow still has it."""
        return next((rule for rule in self.workflow.expectations if rule.name == expectation), None)

    @property
    def titles(self) -> dict[str, str]:
        """What people call the expectations, those of matching rules last."""
        return {rule.name: rule.title for rule in (*self.workflow.expectations, *self.matching)}

    @property
    def owners(self) -> list[str]:
        """Whose exceptions there may be."""
        owners = {rule.owner for rule in self.workflow.expectations}
        return sorted(owners.union(*(rule.owners for rule in self.matching)))

    @property
    def codes(self) -> list[str]:
        """Of which codes exceptions may be."""
        codes: set[str] = {rule.code for rule in self.workflow.expectations}
        return sorted(codes.union(*(rule.codes for rule in self.matching)))

    def title_of(self, expectation: str) -> str:
        """What people call an expectation."""
        return self.titles.get(expectation, expectation)

    def step_title(self, step: str) -> str:
        """What people call a step."""
        return self.workflow.steps[step].title if step in self.workflow.steps else step

    def type_title(self, object_type: str) -> str:
        """What people call a kind of object."""
        kinds = self.workflow.objects
        return kinds[object_type].title if object_type in kinds else object_type


def label(name: str) -> str:
    """A name of a file as people read it, and as it stands in the URL: `hospital_billing` is `Hospital billing`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def go(page: str, **parameters: str) -> None:
    """Opens a page file with URL parameters of its own; what is looked at goes along by itself.

    On the page that is open already, its widgets hold the parameters, so they are set instead.
    """
    if page == st.session_state.get("here"):
        st.session_state.update(parameters)
    else:
        st.switch_page(page, query_params=parameters)


def look(workflow: Workflow, day: date | None, known_day: date | None, period: str) -> View:
    """The view that the choices stand for. Without a day, V is what the workflow's `as_of` says.

    Without a known day, K is when the newest evidence became known, so that the pair only moves when
    something did. Raises StoreError.
    """
    now = data.clock.now()
    sources = list(workflow.sources_of(tuple(workflow.steps)))
    evidence = data.newest("evidence", workflow=workflow.workflow, sources=sources)[0]
    known_at = max(evidence["known_at"] or EPOCH, EPOCH)
    if known_day:
        known_at = min(known_at, _end_of(known_day))
    marks = {
        row["source"]: row["through"] for row in data.newest("marks", sources=sources, known_at=known_at)
    }
    newest = _newest(workflow, marks, now)
    as_of = min(newest, _end_of(day)) if day else newest
    span = data.periods(workflow.period_calendar, known_at).get(period)
    fiscal = span if span and span.starts_at <= as_of else None
    latest = day is None and not (fiscal and fiscal.ends_at <= as_of)
    if fiscal:
        as_of = min(as_of, fiscal.ends_at - US)
    name, length, events = _period(workflow, period, as_of, known_at, fiscal)
    proofs = tuple(
        _proof(workflow, rule, marks) for rule in workflow.expectations if rule.kind in _PROVEN_KINDS
    )
    return View(
        workflow, as_of, known_at, length, name, latest, proofs, evidence["first_at"], events, known_day is not None,
        fiscal.name if fiscal else "", _matching(workflow, known_at),
    )  # fmt: skip


def _matching(workflow: Workflow, known_at: datetime) -> tuple[Matching, ...]:
    rules = data.rows("matching", workflow=workflow.workflow, known_at=known_at)
    return tuple(
        Matching(row["rule"], row["title"], tuple(row["owners"]), tuple(row["codes"])) for row in rules
    )


def first_day(workflow: Workflow) -> date | None:
    """The day of the first event of a workflow."""
    sources = list(workflow.sources_of(tuple(workflow.steps)))
    first = data.newest("evidence", workflow=workflow.workflow, sources=sources)[0]["first_at"]
    return first.date() if first else None


def current() -> View:
    """The view of the page that is being run."""
    view: View = st.session_state["view"]
    return view


def _newest(workflow: Workflow, marks: Mapping[str, datetime], now: datetime) -> datetime:
    through = max(marks.values(), default=None)
    if workflow.as_of == "watermark" and through:
        return through
    return now.replace(second=0, microsecond=0)


def _proof(workflow: Workflow, rule: Rule, marks: Mapping[str, datetime]) -> Proof:
    if rule.kind == "landed":
        sources = rule.sources or workflow.state_sources
    else:
        steps = rule.expect if rule.kind == "sequence" else rule.after if rule.kind == "tie_out" else ()
        sources = workflow.sources_of(steps) or workflow.sources
    heard = tuple(source for source in sources if source in marks)
    return Proof(heard or sources, max((marks[source] for source in heard), default=None))


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1) - US


def _period(
    workflow: Workflow, name: str, as_of: datetime, known_at: datetime, fiscal: PeriodSpan | None
) -> tuple[str, timedelta, int]:
    """Name and length of the period, and how many events there are up to its end.

    A fiscal period is called by its length: what is compared with it is as long, and may be no fiscal period.
    """
    lengths = [*PERIODS.values(), as_of - EPOCH]
    *counts, events = _activity(workflow, as_of, known_at, lengths)
    if fiscal:
        # From just before its first moment.
        length = as_of - fiscal.starts_at + US
        return words.plural(max(1, round(length / timedelta(days=1))), "day"), length, events
    enough = [key for key, number in zip(PERIODS, counts, strict=True) if number >= ENOUGH_EVENTS]
    chosen = name if name in PERIODS else enough[0] if enough else "year"
    return chosen, PERIODS[chosen], events


def _activity(workflow: Workflow, as_of: datetime, known_at: datetime, lengths: list[timedelta]) -> list[int]:
    found = data.rows(
        "activity", workflow=workflow.workflow, as_of=as_of, known_at=known_at,
        lengths_us=[length // US for length in lengths],
    )  # fmt: skip
    return list(found[0]["event_counts"]) or [0 for _ in lengths]


def choose(workflows: dict[str, Workflow]) -> View:
    """Draws the choices into the sidebar and gives the view they stand for. Raises StoreError."""
    name = st.selectbox("Workflow", list(workflows), format_func=label, key=WORKFLOW, bind="query-params")
    workflow = workflows.get(name) or next(iter(workflows.values()))
    today = data.clock.now().date()
    day = st.date_input(
        "As of", value=None, min_value=first_day(workflow) or date(1990, 1, 1), max_value=today, key=AS_OF, format="YYYY-MM-DD",
        bind="query-params", help="Figures as they stood at the end of this day (UTC). Empty: the newest time that can be told.",
    )  # fmt: skip
    fiscal = _fiscal_periods(workflow)
    period = st.selectbox(
        "Period", [AUTO, *PERIODS, *fiscal], key=PERIOD, bind="query-params",
        help=f"What rates and movements are of, and what they are compared with. "
        f"{AUTO}: the shortest one with at least {ENOUGH_EVENTS} events."
        f"{' A fiscal period is shown as of its end.' if fiscal else ''}",
    )  # fmt: skip
    known_day = st.date_input(
        "As known on", value=None, min_value=date(1990, 1, 1), max_value=today, key=KNOWN, format="YYYY-MM-DD",
        bind="query-params", help="Only evidence that had arrived by the end of this day (UTC). Empty: everything known.",
    )  # fmt: skip
    view = look(workflow, day, known_day, period)
    named = f"{view.fiscal}, " if view.fiscal else ""
    st.caption(f"Shown: {named}the {view.period_name} to {words.at(view.as_of)}.")
    return view


def _fiscal_periods(workflow: Workflow) -> list[str]:
    """Names of the fiscal periods of which there may be something to see, the newest first."""
    now, first = data.clock.now(), first_day(workflow)
    known = data.periods(workflow.period_calendar, now.replace(minute=0, second=0, microsecond=0))
    return [
        span.name
        for span in reversed(known.values())
        if first and first <= span.ends_at.date() and span.starts_at <= now
    ]


def follow_permalink(url_path: str) -> None:
    """An exception opened by its id alone brings its workflow with it. Raises StoreError."""
    if url_path != "exception" or WORKFLOW in st.session_state or WORKFLOW in st.query_params:
        return
    home = data.newest("exception_home", id=st.query_params.get("id", ""))
    if home:
        st.session_state[WORKFLOW] = home[0]["workflow"]


def same_day(name: str) -> View:
    """The same choices for another workflow. Raises StoreError; KeyError when it has no rules."""
    state = st.session_state
    return look(data.workflows()[name], state.get(AS_OF), state.get(KNOWN), str(state.get(PERIOD) or AUTO))
