"""Telling people: at least once, in order, once when nothing breaks; through the real store and real
receivers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from alert_parts import MINUTE, T0, Watch, events, make_rule, publish, publish_segments, told
from alert_receivers import Desk, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route as HttpRoute
from test_alert_webhook import SCHEMA

from alerts.deliver import GIVE_UP_AFTER, Delivery, deliver, pause
from alerts.notify.webhook import WebhookReceiver
from alerts.plan import plan
from alerts.rule import AlertConfig, Group, Route, Silence
from alerts.run import acknowledge, evaluate_rules, retire_removed
from store.client import Store

URL = "https://tieout.example.org"


def config_of(*desks: Desk, rules=(), routes=(), silences=(), timeout="2s") -> AlertConfig:
    """One receiver a desk, named d0, d1, …; by default one route to all of them."""
    receivers = {
        f"d{number}": WebhookReceiver.model_validate(
            {"kind": "webhook", "name": f"d{number}", "url": desk.url, "timeout": timeout}
        )
        for number, desk in enumerate(desks)
    }
    return AlertConfig(
        groups=(Group(name="g", rules=tuple(rules) or (make_rule(),)),),
        receivers=receivers,
        routes=tuple(routes) or ((Route(receivers=tuple(receivers)),) if receivers else ()),
        silences=tuple(silences),
    )


def evaluate(store: Store, config: AlertConfig, value: float, at):
    publish(store, at, value)
    return evaluate_rules(store, config.rules, at)


def test_a_firing_alert_and_its_end_are_told_once_each(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    assert deliver(store, config, T0, URL) == [Delivery("d0", "sent", "", 1)]
    assert deliver(store, config, T0 + MINUTE, URL) == []
    evaluate(store, config, 20, T0 + 2 * MINUTE)
    deliver(store, config, T0 + 2 * MINUTE, URL)
    assert deliver(store, config, T0 + 3 * MINUTE, URL) == []
    assert desk.told() == [("firing", ("TooMuch:firing",)), ("resolved", ("TooMuch:resolved",))]
    for call in desk.calls:
        jsonschema.Draft202012Validator(SCHEMA).validate(call)
    fired, ended = (call["alerts"][0] for call in desk.calls)
    assert (fired["startsAt"], fired["endsAt"]) == ("2026-11-20T12:00:00Z", "0001-01-01T00:00:00Z")
    assert (ended["startsAt"], ended["endsAt"]) == ("2026-11-20T12:00:00Z", "2026-11-20T12:02:00Z")
    assert fired["annotations"] == {
        "summary": "150 open exceptions of",
        "value": "150",
        "condition": "above 100",
    }
    assert ended["annotations"]["value"] == "20"
    assert fired["generatorURL"] == f"{URL}/kpi?id=K03&flow=hospital_billing"
    assert [call["notification_reason"] for call in desk.calls] == [
        "first notification",
        "all alerts resolved",
    ]
    assert told(store) == [
        ("firing", "planned", 0, ""),
        ("firing", "sending", 1, ""),
        ("firing", "sent", 1, ""),
        ("resolved", "planned", 0, ""),
        ("resolved", "sending", 1, ""),
        ("resolved", "sent", 1, ""),
    ]


def test_a_pending_alert_is_not_told(store, desk):
    config = config_of(desk, rules=[make_rule(**{"for": "10m"})])
    evaluate(store, config, 150, T0)
    assert deliver(store, config, T0) == []


def test_planning_twice_plans_once(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    assert plan(store, config, T0) == 1
    assert plan(store, config, T0) == 0
    assert plan(store, config, T0 + MINUTE) == 0


def test_without_receivers_nothing_is_planned(store):
    config = config_of()
    evaluate(store, config, 150, T0)
    assert plan(store, config, T0) == 0
    assert deliver(store, config, T0) == []


def test_a_receiver_that_fails_is_tried_again_after_pauses_that_grow(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    desk.status = 500
    assert deliver(store, config, T0) == [Delivery("d0", "failed", "http_500", 1)]
    assert deliver(store, config, T0 + timedelta(seconds=9)) == []
    assert deliver(store, config, T0 + timedelta(seconds=10)) == [Delivery("d0", "failed", "http_500", 1)]
    assert deliver(store, config, T0 + timedelta(seconds=29)) == []
    desk.status = 200
    assert deliver(store, config, T0 + timedelta(seconds=30)) == [Delivery("d0", "sent", "", 1)]
    assert deliver(store, config, T0 + timedelta(hours=1)) == []
    assert [outcome for _, outcome, _, _ in told(store)] == ["planned"] + ["sending", "failed"] * 2 + [
        "sending",
        "sent",
    ]
    assert len({headers["idempotency-key"] for headers in desk.headers}) == 1


def test_pauses_double_up_to_a_quarter_of_an_hour():
    assert [pause(tries).total_seconds() for tries in (1, 2, 3, 7, 8, 1000)] == [10, 20, 40, 640, 900, 900]


def test_a_clock_set_back_does_not_make_a_pause_endless(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    desk.status = 500
    deliver(store, config, T0)
    desk.status = 200
    assert [d.outcome for d in deliver(store, config, T0 - timedelta(days=1))] == ["sent"]


def test_after_a_day_a_message_is_given_up_but_the_alert_is_told_again_later(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    desk.status = 500
    deliver(store, config, T0)
    late = T0 + GIVE_UP_AFTER
    deliver(store, config, late)
    assert told(store)[-1] == ("firing", "given_up", 2, "http_500")
    desk.status = 200
    assert deliver(store, config, late + timedelta(hours=3)) == []
    assert [d.outcome for d in deliver(store, config, late + timedelta(hours=4))] == ["sent"]


def test_what_can_never_arrive_is_given_up_at_once_and_so_is_its_end(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    desk.status = 404
    assert deliver(store, config, T0) == [Delivery("d0", "given_up", "http_404", 1)]
    evaluate(store, config, 20, T0 + MINUTE)
    assert deliver(store, config, T0 + MINUTE) == [Delivery("d0", "given_up", "not_told", 1)]
    assert deliver(store, config, T0 + 2 * MINUTE) == []
    assert len(desk.calls) == 1


def test_the_end_waits_for_the_beginning(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    desk.status = 503
    deliver(store, config, T0)
    evaluate(store, config, 20, T0 + MINUTE)
    deliver(store, config, T0 + MINUTE)
    desk.status = 200
    deliver(store, config, T0 + 2 * MINUTE)
    deliver(store, config, T0 + 3 * MINUTE)
    assert [status for status, _ in desk.told()] == ["firing", "firing", "firing", "resolved"]


def test_an_alert_that_fired_and_ended_while_nobody_was_looking_is_told_both(store, desk):
    """The process died between evaluation and planning."""
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    evaluate(store, config, 20, T0 + MINUTE)
    for minutes in (2, 3, 4):
        deliver(store, config, T0 + minutes * MINUTE)
    assert [status for status, _ in desk.told()] == ["firing", "resolved"]


def test_history_is_not_told_to_a_receiver_that_is_new(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    evaluate(store, config, 20, T0 + MINUTE)
    assert deliver(store, config, T0 + timedelta(hours=2)) == []
    evaluate(store, config, 150, T0 + timedelta(hours=3))
    assert [d.outcome for d in deliver(store, config, T0 + timedelta(hours=9))] == ["sent"], (
        "but what fires now is"
    )


def test_a_firing_alert_is_repeated_and_an_acknowledgement_ends_that(store, desk):
    config = config_of(desk)
    mark = evaluate(store, config, 150, T0)[0].alert.fingerprint
    deliver(store, config, T0)
    assert deliver(store, config, T0 + timedelta(hours=3, minutes=59)) == []
    assert len(deliver(store, config, T0 + timedelta(hours=4))) == 1
    assert desk.calls[-1]["notification_reason"] == "repeat interval elapsed"
    assert deliver(store, config, T0 + timedelta(hours=7)) == []
    assert acknowledge(store, mark, T0 + timedelta(hours=7))
    assert deliver(store, config, T0 + timedelta(hours=9)) == []
    evaluate(store, config, 20, T0 + timedelta(hours=10))
    deliver(store, config, T0 + timedelta(hours=10))
    assert desk.told()[-1][0] == "resolved", "the end is told all the same"
    evaluate(store, config, 150, T0 + timedelta(hours=11))
    deliver(store, config, T0 + timedelta(hours=11))
    assert len(deliver(store, config, T0 + timedelta(hours=15))) == 1, "it is for this firing only"


def silence(start, end) -> Silence:
    return Silence.model_validate(
        {"match": {"alertname": "TooMuch"}, "from": start, "until": end, "reason": "x"}
    )


def test_a_silenced_alert_is_told_when_the_silence_ends_and_it_still_fires(store, desk):
    config = config_of(desk, silences=[silence(T0, T0 + timedelta(hours=1))])
    evaluate(store, config, 150, T0)
    assert deliver(store, config, T0) == []
    assert deliver(store, config, T0 + MINUTE) == []
    assert told(store) == [("firing", "muted", 0, "silenced")]
    assert [d.outcome for d in deliver(store, config, T0 + timedelta(hours=1))] == ["sent"]


def test_an_alert_that_lived_in_a_silence_only_is_never_told(store, desk):
    config = config_of(desk, silences=[silence(T0, T0 + timedelta(hours=1))])
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    evaluate(store, config, 20, T0 + MINUTE)
    for minutes in (1, 30, 61, 90):
        assert deliver(store, config, T0 + minutes * MINUTE) == []


def test_a_silence_does_not_eat_the_end_nor_let_repeats_through(store, desk):
    config = config_of(desk, silences=[silence(T0 + MINUTE, T0 + timedelta(days=1))])
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    assert deliver(store, config, T0 + timedelta(hours=5)) == []
    evaluate(store, config, 20, T0 + timedelta(hours=6))
    deliver(store, config, T0 + timedelta(hours=6))
    assert [status for status, _ in desk.told()] == ["firing", "resolved"]


def test_alerts_of_one_group_travel_together_fifty_at_a_time(store, desk):
    config = config_of(desk, rules=[make_rule(by="owner")])
    publish_segments(store, T0, "owner", {f"owner {number:02}": 150.0 for number in range(60)})
    evaluate_rules(store, config.rules, T0)
    deliveries = deliver(store, config, T0)
    assert [delivery.alerts for delivery in deliveries] == [50, 10]
    segments = [alert["labels"]["segment"] for call in desk.calls for alert in call["alerts"]]
    assert sorted(segments) == [f"owner {number:02}" for number in range(60)]
    assert desk.calls[0]["groupLabels"] == {"alertname": "TooMuch", "workflow": "hospital_billing"}
    assert desk.calls[0]["groupKey"] == '{}/{}:{alertname="TooMuch", workflow="hospital_billing"}'
    assert "segment" not in desk.calls[0]["commonLabels"]


def test_what_begins_and_what_ends_in_one_group_is_one_message(store, desk):
    config = config_of(desk, rules=[make_rule(by="owner")])
    for minutes, values in ((0, {"a": 150, "b": 5}), (1, {"a": 5, "b": 150})):
        publish_segments(store, T0 + minutes * MINUTE, "owner", values)
        evaluate_rules(store, config.rules, T0 + minutes * MINUTE)
        deliver(store, config, T0 + minutes * MINUTE)
    assert desk.calls[1]["status"] == "firing"
    assert sorted(alert["status"] for alert in desk.calls[1]["alerts"]) == ["firing", "resolved"]


@pytest.fixture
def other_desk():
    desk = Desk()
    with serving(Starlette(routes=[HttpRoute("/hook", desk.answer, methods=["POST"])])) as desk.port:
        yield desk


def test_a_receiver_that_hangs_does_not_hold_up_another(store, desk, other_desk):
    config = config_of(desk, other_desk, rules=[make_rule(), make_rule(alert="Second")], timeout="1s")
    evaluate(store, config, 150, T0)
    desk.behaviour = "hang"
    begun = time.monotonic()
    outcomes = {(d.receiver, d.outcome, d.code) for d in deliver(store, config, T0)}
    assert time.monotonic() - begun < 2.5, "one timeout a call, not one a message"
    assert outcomes == {("d0", "failed", "timeout"), ("d1", "sent", "")}
    assert len(other_desk.calls) == 2
    assert len(desk.calls) == 1


def test_each_receiver_is_told_once_although_two_routes_lead_to_it(store, desk, other_desk):
    routes = [
        Route.model_validate({"receivers": ["d0"], "match": {"severity": "ticket"}, "continue": True}),
        Route.model_validate({"receivers": ["d0", "d1"]}),
    ]
    config = config_of(desk, other_desk, routes=routes)
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    assert (len(desk.calls), len(other_desk.calls)) == (1, 1)
    assert desk.calls[0]["groupKey"].startswith('{}/{severity="ticket"}:')


def test_an_alert_no_route_takes_is_told_to_nobody(store, desk):
    config = config_of(
        desk, routes=[Route.model_validate({"receivers": ["d0"], "match": {"severity": "page"}})]
    )
    evaluate(store, config, 150, T0)
    assert deliver(store, config, T0) == []


def test_a_receiver_that_is_removed_is_given_up(store, desk, other_desk):
    config = config_of(desk, other_desk)
    evaluate(store, config, 150, T0)
    desk.status = 500
    deliver(store, config, T0)
    alone = AlertConfig(config.groups, {"d1": config.receivers["d1"]}, (Route(receivers=("d1",)),))
    assert deliver(store, alone, T0 + MINUTE) == [Delivery("d0", "given_up", "receiver_removed", 1)]
    assert deliver(store, alone, T0 + 2 * MINUTE) == []


def test_the_end_of_a_removed_rule_is_told(store, desk):
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    without = AlertConfig((), config.receivers, config.routes)
    retire_removed(store, without.rules, T0 + MINUTE)
    deliver(store, without, T0 + MINUTE)
    assert desk.calls[-1]["status"] == "resolved"
    assert desk.calls[-1]["alerts"][0]["annotations"]["summary"] == "TooMuch is no longer watched"


def test_no_data_is_told_in_its_own_words(store, desk):
    config = config_of(desk, rules=[make_rule(no_data="alert", max_age="6h")])
    evaluate_rules(store, config.rules, T0)
    deliver(store, config, T0)
    alert = desk.calls[0]["alerts"][0]
    summary = "No data for TooMuch: K03 open of hospital_billing has no figure of the last 6h"
    assert alert["annotations"]["summary"] == summary
    assert alert["annotations"]["value"] == "no value"
    assert alert["labels"]["signal"] == "no_data"


def test_a_restart_in_the_middle_of_an_attempt_makes_it_once_more(store, desk):
    """What the table looks like when the process died between sending and recording."""
    config = config_of(desk)
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    store.command("DELETE FROM notifications WHERE outcome = 'sent'")
    assert deliver(store, config, T0 + timedelta(seconds=5)) == []
    assert [d.outcome for d in deliver(store, config, T0 + timedelta(seconds=10))] == ["sent"]
    assert deliver(store, config, T0 + timedelta(minutes=5)) == []
    assert len(desk.calls) == 2
    assert len({headers["idempotency-key"] for headers in desk.headers}) == 1


CHILD = """
import sys, tempfile
from datetime import timedelta
from alert_parts import T0, make_rule, publish
from test_alert_deliver import config_of
from alert_receivers import Desk
from alerts.deliver import deliver
from alerts.run import evaluate_rules
from store import migrate
from store.client import Store
port, folder, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(f"chdb://{folder}")
migrate.migrate(store, T0)
config = config_of(Desk(port=port))
if not store.value("SELECT count() FROM kpi_values"):
    publish(store, T0, 150)
evaluate_rules(store, config.rules, T0)
deliver(store, config, T0 + timedelta(seconds=seconds))
store.close()
"""


@pytest.mark.slow
def test_a_process_killed_while_it_delivers_tells_it_again_exactly_once(desk, tmp_path):
    """kill -9 from inside the receiver, after the message has arrived and before the sender can note it."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    here, root = Path(__file__).parent, Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (here, root)))

    def run(seconds: int) -> subprocess.Popen:
        command = [sys.executable, str(script), str(desk.port), str(tmp_path / "data"), str(seconds)]
        return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(tmp_path)})

    desk.behaviour = "hang"
    first = run(0)
    while not desk.calls:
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    desk.behaviour = "answer"
    assert run(20).wait() == 0
    assert len(desk.calls) == 2
    assert desk.calls[0] == desk.calls[1]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([200, 200, 500])), min_size=2, max_size=5))
def test_whatever_the_receiver_does_every_firing_is_told_at_least_once_and_in_order(store, desk, steps):
    """Against a plain account of the alert's life, with a receiver that comes and goes."""
    for table in ("kpi_values", "alert_events", "notifications"):
        store.command("TRUNCATE TABLE {t:Identifier}", {"t": table})
    desk.calls.clear()
    config, now = config_of(desk), T0
    watch, life = Watch(make_rule()), []
    for breach, status in steps:
        now += 20 * MINUTE
        desk.status = status
        value = 150.0 if breach else 20.0
        evaluate(store, config, value, now)
        watch.now = now
        life += [change.alert.state for change in watch.see(value)]
        deliver(store, config, now)
    desk.status = 200
    for _ in range(2 * len(steps)):
        now += 20 * MINUTE
        deliver(store, config, now)
    wanted = ["firing" if state == "firing" else "resolved" for state in life]
    said = [alert["status"] for call in desk.calls for alert in call["alerts"]]
    starts = [alert["startsAt"] for call in desk.calls for alert in call["alerts"]]
    assert starts == sorted(starts)
    once = [status for index, status in enumerate(said) if index == 0 or status != said[index - 1]]
    assert once == wanted
    if all(status == 200 for _, status in steps):
        assert said == wanted


def test_nothing_but_labels_texts_and_figures_is_kept_or_sent(store, desk):
    """A run over the tables: no header, no address of a receiver, no secret."""
    config = config_of(desk, silences=[])
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    rows = store.rows("SELECT * FROM notifications")
    assert str(desk.port) not in str(rows)
    assert textwrap.shorten(str(events(store)), 10_000).count("http") == 0
