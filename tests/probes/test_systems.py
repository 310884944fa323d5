"""Runs of one system share its places, its pace and its circuit breaker; each attempt leaves a record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from core.clock import ManualClock
from probes.overview import ProbeStatus, list_probes
from probes.probe import ProbeError, ProbeFile
from probes.run import ProbeRun, run_probe
from probes.systems import Breaker, SystemRule, Systems
from store.client import Store
from tests.conftest import NOW
from tests.probes.server import Api, serving
from workflows.model import Workflow

MakeProbe = Callable[..., ProbeFile]
RULE = SystemRule(breaker=Breaker(failures=3, pause=timedelta(minutes=10)))
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def running() -> Iterator[Api]:
    api = Api()
    with serving(api.app) as address:
        api.address = address
        yield api


@pytest.fixture
def api(running: Api) -> Api:
    running.asked.clear()
    running.answer = lambda _: [{"no": "1"}]
    return running


class Site:
    """Two probes of one system, run at the minute a test says."""

    def __init__(self, store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api) -> None:
        self.store, self.workflow = store, workflow
        self.systems = Systems({"ap": RULE})
        self.probes = {
            name: make_probe(name=name, kind="rest", client={"base_url": f"{api.url}/{name}"}, attempts=1)
            for name in ("ap_invoices", "ap_payments")
        }

    def run(self, minute: float, name: str = "ap_invoices", **more: Any) -> ProbeRun:
        now = NOW + minute * MINUTE
        return run_probe(
            self.store,
            self.probes[name],
            self.workflow,
            now,
            clock=ManualClock(now),
            systems=self.systems,
            **more,
        )

    def listed(self, minute: float, name: str = "ap_invoices") -> ProbeStatus:
        now = NOW + minute * MINUTE
        return next(
            s
            for s in list_probes(self.store, self.probes.values(), now, self.systems.rules)
            if s.name == name
        )


@pytest.fixture
def site(store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api) -> Site:
    return Site(store, workflow, make_probe, api)


def test_after_three_failures_in_a_row_of_any_of_its_probes_a_system_is_left_alone(
    site: Site, api: Api
) -> None:
    api.answer = lambda _: Response(status_code=503)
    for minute, name in ((0, "ap_invoices"), (1, "ap_payments"), (2, "ap_invoices")):
        assert site.run(minute, name).status == "failed"
    asked = len(api.asked)
    left_out = site.run(3, "ap_payments")
    assert (left_out.status, left_out.complete, left_out.error_code) == ("skipped", False, "system_rests")
    assert "did not serve the last 3 runs (last: source_error in probe ap_invoices)" in left_out.error
    assert "left alone until 2026-11-20 12:12:00 UTC" in left_out.error
    assert len(api.asked) == asked
    assert site.store.value("SELECT count() FROM watermarks") == 0


def test_after_the_pause_one_run_tries_and_decides(site: Site, api: Api) -> None:
    api.answer = lambda _: Response(status_code=503)
    for minute in range(3):
        site.run(minute)
    assert [site.run(minute).status for minute in (11, 12, 13)] == ["skipped", "failed", "skipped"]
    api.answer = lambda _: [{"no": "1"}]
    assert [site.run(minute).status for minute in (22, 23)] == ["ok", "ok"]


def test_while_one_run_tries_the_others_wait_for_what_it_finds(site: Site, api: Api) -> None:
    api.answer = lambda _: Response(status_code=503)
    for minute in range(3):
        site.run(minute)
    arrived, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        arrived.set()
        go_on.wait(20)
        return [{"no": "1"}]

    api.answer = slow
    done: list[ProbeRun] = []
    other = site.store.another()
    trying = threading.Thread(
        target=lambda: done.append(
            run_probe(
                other, site.probes["ap_invoices"], site.workflow, NOW + 13 * MINUTE, systems=site.systems
            )
        )
    )
    trying.start()
    assert arrived.wait(20)
    second = site.run(13, "ap_payments")
    go_on.set()
    trying.join(30)
    other.close()
    assert (second.status, "being tried by another run" in second.error) == ("skipped", True)
    assert done[0].status == "ok"
    assert site.run(14, "ap_payments").status == "ok"


@pytest.mark.parametrize("between", ["served", "refused in words"])
def test_only_failures_in_a_row_that_the_system_did_not_serve_count(
    site: Site, api: Api, between: str
) -> None:
    answers: list[Any] = [503, 503, 200 if between == "served" else 404, 503, 503, 200]
    api.answer = lambda _: JSONResponse([{"no": "1"}], status_code=answers.pop(0))
    assert "skipped" not in [site.run(minute).status for minute in range(6)]


def test_a_person_is_not_held_back_and_what_they_find_counts(site: Site, api: Api) -> None:
    api.answer = lambda _: Response(status_code=503)
    for minute in range(3):
        site.run(minute)
    api.answer = lambda _: [{"no": "1"}]
    assert site.run(4, asked=True).status == "ok"
    assert site.run(5, "ap_payments").status == "ok"


def test_the_list_says_that_a_system_rests_and_until_when(site: Site, api: Api) -> None:
    api.answer = lambda _: Response(status_code=503)
    for minute in range(3):
        site.run(minute)
    listed = site.listed(3, "ap_payments")
    assert (listed.system_state, listed.asked_again_at) == ("open", NOW + 12 * MINUTE)
    assert site.listed(12).system_state == "half_open"


def test_a_skipped_run_keeps_the_cursor_and_is_no_good_run(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    incremental = {"cursor_path": "at", "param": "since", "overlap": "0s"}
    probe = make_probe(
        kind="rest", client={"base_url": api.url}, mode="incremental", incremental=incremental, attempts=1
    )
    systems = Systems({"ap": SystemRule(breaker=Breaker(failures=1))})
    api.answer = lambda _: [{"no": "1", "at": "2026-11-20T11:00:00Z"}]
    run_probe(store, probe, workflow, NOW, systems=systems)
    api.answer = lambda _: Response(status_code=503)
    statuses = [run_probe(store, probe, workflow, NOW + n * MINUTE, systems=systems).status for n in (1, 2)]
    [listed] = list_probes(store, [probe], NOW + 3 * MINUTE, systems.rules)
    assert (statuses, listed.last_good) == (["failed", "skipped"], NOW)
    run_probe(store, probe, workflow, NOW + 7 * MINUTE, systems=systems)
    assert api.queries()[-1]["since"] == "2026-11-20T11:00:00.000Z"


def test_no_more_runs_at_once_than_the_system_bears(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    lock, now_inside, most = threading.Lock(), [0], [0]
    systems = Systems({"ap": SystemRule(concurrency=2)})
    both = threading.Barrier(2, timeout=20)

    def app(_: Any) -> Any:
        with lock:
            now_inside[0] += 1
            most[0] = max(most)
            most[0] = max(most[0], now_inside[0])
        both.wait()
        with lock:
            now_inside[0] -= 1
        return [{"no": "1"}]

    urls = {}
    apis = [Api() for _ in range(4)]
    done: list[str] = []

    def work(probe: ProbeFile) -> None:
        with store.another() as own:
            done.append(run_probe(own, probe, workflow, NOW, systems=systems).status)

    from contextlib import ExitStack

    with ExitStack() as stack:
        for number, one in enumerate(apis):
            one.answer = app
            urls[number] = stack.enter_context(serving(one.app))
        probes = [
            make_probe(name=f"p{n}", kind="rest", client={"base_url": f"http://{urls[n]}"}) for n in range(4)
        ]
        threads = [threading.Thread(target=work, args=[probe]) for probe in probes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (done, most[0]) == (["ok"] * 4, 2)


def test_a_run_that_finds_no_place_in_its_time_says_so(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    systems = Systems({"ap": SystemRule(concurrency=1)})
    probe = make_probe(kind="rest", client={"base_url": api.url}, timeouts={"total": "1s"})
    with systems.place(store, "ap", NOW, 1):
        done = run_probe(store, probe, workflow, NOW, systems=systems)
    assert (done.status, done.error_code, done.unserved) == ("failed", "system_busy", False)
    assert "systems.ap.concurrency" in done.error


class Seconds:
    """Time that passes when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(round(seconds, 6))
        self.now += seconds


def test_pages_of_all_probes_of_a_system_keep_one_pace(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    seconds = Seconds()
    rule = SystemRule(requests_per_s=4)
    systems = Systems({"ap": rule}, monotonic=seconds, pause=seconds.wait)
    api.answer = lambda request: {"items": [{"no": request.query_params["page"]}], "pages": 3}
    paginator = {"type": "page_number", "total_path": "pages"}
    for name in ("one", "two"):
        probe = make_probe(
            name=name, kind="rest", client={"base_url": api.url}, paginator=paginator, data_selector="items"
        )
        assert run_probe(store, probe, workflow, NOW, systems=systems, monotonic=seconds).status == "ok"
    assert (len(api.asked), seconds.waited) == (6, [0.25] * 5)


def test_a_turn_that_would_come_too_late_is_not_waited_for(store: Store) -> None:
    seconds = Seconds()
    systems = Systems({"ap": SystemRule(requests_per_s=0.01)}, monotonic=seconds, pause=seconds.wait)
    with systems.place(store, "ap", NOW, 1) as place:
        place.turn(give_up_at=110)
        with pytest.raises(ProbeError, match="requests_per_s leaves no turn"):
            place.turn(give_up_at=110)
    assert seconds.waited == []


def attempts(store: Store) -> list[tuple[int, datetime, float, int, str]]:
    rows = store.rows("SELECT * FROM probe_attempts ORDER BY started_at, number")
    return [(r["number"], r["started_at"], r["seconds"], r["records"], r["code"]) for r in rows]


def test_each_attempt_is_on_record_so_that_a_retried_success_can_be_seen(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    clock, seconds = ManualClock(NOW), Seconds()
    answers: list[Any] = [Response(status_code=503), Response(b"{"), JSONResponse([{"no": "1"}, {"no": "2"}])]

    def answer(_: Any) -> Any:
        clock.move(MINUTE)
        seconds.now += 2.5
        return answers.pop(0)

    api.answer = answer
    probe = make_probe(kind="rest", client={"base_url": api.url})
    done = run_probe(store, probe, workflow, NOW, clock=clock, monotonic=seconds)
    assert (done.status, done.attempts) == ("ok", 3)
    assert attempts(store) == [
        (1, NOW, 2.5, 0, "source_error"),
        (2, NOW + MINUTE, 2.5, 0, "not_json"),
        (3, NOW + 2 * MINUTE, 2.5, 2, ""),
    ]
    assert set(store.rows("SELECT DISTINCT run_id, probe, system FROM probe_attempts")[0].values()) == {
        done.run_id, "ap_invoices", "ap",
    }  # fmt: skip
    [listed] = list_probes(store, [probe], NOW + 4 * MINUTE)
    assert (listed.tries_24h, listed.failed_tries_24h) == (3, 2)


def test_the_clock_of_the_source_is_compared_with_ours(
    store: Store, workflow: Workflow, make_probe: MakeProbe, api: Api
) -> None:
    api.answer = lambda _: JSONResponse([], headers={"Date": "Fri, 20 Nov 2026 12:01:30 GMT"})
    with serving(api.app, date_header=False) as address:
        probe = make_probe(kind="rest", client={"base_url": f"http://{address}"})
        assert run_probe(store, probe, workflow, NOW).clock_ahead_s == 90
    assert store.value("SELECT clock_ahead_s FROM probe_runs") == 90
