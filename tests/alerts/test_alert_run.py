"""Evaluation against the real store: newest figures, state across restarts, nothing twice."""

from __future__ import annotations

from datetime import timedelta

from alert_parts import (
    MINUTE,
    T0,
    Watch,
    events,
    kpi_row,
    make_rule,
    publish,
    publish_segments,
    reasons,
    total,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.run import acknowledge, evaluate_rules, readings, retire_removed, states
from store.client import Store


def test_an_alert_is_evaluated_from_published_figures_and_its_life_is_kept(store):
    rule = make_rule(**{"for": "5m"}, keep_firing_for="5m")
    publish(store, T0, 150)
    assert reasons(evaluate_rules(store, [rule], T0)) == ["inactive>pending:breach"]
    assert evaluate_rules(store, [rule], T0 + 4 * MINUTE) == []
    assert reasons(evaluate_rules(store, [rule], T0 + 5 * MINUTE)) == ["pending>firing:held"]
    publish(store, T0 + 6 * MINUTE, 20)
    assert reasons(evaluate_rules(store, [rule], T0 + 6 * MINUTE)) == ["firing>firing:recovering"]
    assert reasons(evaluate_rules(store, [rule], T0 + 11 * MINUTE)) == ["firing>inactive:cleared"]
    rows = events(store)
    assert [(row["previous"], row["state"], row["reason"], row["value"]) for row in rows] == [
        ("inactive", "pending", "breach", 150),
        ("pending", "firing", "held", 150),
        ("firing", "firing", "recovering", 20),
        ("firing", "inactive", "cleared", 20),
    ]
    assert [row["active_since"] for row in rows] == [T0, T0, T0, None]
    assert [row["last_true_at"] for row in rows] == [T0, T0 + 5 * MINUTE, T0 + 6 * MINUTE, None]
    assert rows[0]["labels"]["alertname"] == "TooMuch"


def test_evaluating_the_same_moment_again_writes_nothing(store):
    publish(store, T0, 150)
    rule = make_rule()
    assert len(evaluate_rules(store, [rule], T0)) == 1
    assert evaluate_rules(store, [rule], T0) == []
    assert evaluate_rules(store, [rule], T0, T0 + timedelta(hours=1)) == []
    assert len(events(store)) == 1


def test_only_figures_up_to_now_count_and_the_newest_of_them(store):
    for minutes, value in ((0, 10.0), (10, 150.0), (20, 20.0)):
        publish(store, T0 + minutes * MINUTE, value)
    rule = make_rule()
    assert readings(store, [rule], T0 - MINUTE) == {}
    assert readings(store, [rule], T0 + 15 * MINUTE)["TooMuch"].samples[0].value == 150
    assert readings(store, [rule], T0 + 25 * MINUTE)["TooMuch"].samples[0].value == 20


def test_a_later_known_time_of_the_same_as_of_time_counts(store):
    publish(store, T0, 150)
    publish(store, T0, 20, known_at=T0 + MINUTE, published_at=T0 + MINUTE)
    assert readings(store, [make_rule()], T0)["TooMuch"].samples[0].value == 20


def test_a_new_version_of_a_kpi_counts_before_the_old_one(store):
    publish(store, T0, 150)
    publish(store, T0, 20, version="v2", published_at=T0 + MINUTE)
    assert [sample.value for sample in readings(store, [make_rule()], T0)["TooMuch"].samples] == [20]


def test_a_segment_that_the_newest_computation_does_not_have_is_gone(store):
    rule = make_rule(by="owner")
    publish_segments(store, T0, "owner", {"coding": 150, "billing": 5})
    assert reasons(evaluate_rules(store, [rule], T0)) == ["inactive>firing:breach"]
    publish_segments(store, T0 + MINUTE, "owner", {"billing": 5})
    assert reasons(evaluate_rules(store, [rule], T0 + MINUTE)) == ["firing>inactive:gone"]
    publish_segments(store, T0 + 2 * MINUTE, "owner", {"coding": 150})
    evaluate_rules(store, [rule], T0 + 2 * MINUTE)
    publish_segments(store, T0 + 3 * MINUTE, "owner", {})
    assert reasons(evaluate_rules(store, [rule], T0 + 3 * MINUTE)) == ["firing>inactive:gone"]


def test_figures_are_kept_apart_by_measure_dimension_unit_and_workflow(store):
    store.insert(
        "kpi_values",
        [
            kpi_row(T0, 150),
            kpi_row(T0, 7, measure="amount", unit="EUR"),
            kpi_row(T0, 8, measure="amount", unit="USD"),
            kpi_row(T0, 5, dimension="owner", segment="coding"),
            kpi_row(T0, 6, dimension="department", segment="coding"),
            kpi_row(T0, 9, workflow="procure_to_payment"),
        ],
    )
    rules = [
        make_rule(alert="Total"),
        make_rule(alert="Amount", measure="amount"),
        make_rule(alert="Owner", by="owner"),
        make_rule(alert="Other", workflow="procure_to_payment"),
    ]
    seen = {
        name: [(s.segment, s.unit, s.value) for s in found.samples]
        for name, found in readings(store, rules, T0).items()
    }
    assert {name: sorted(samples) for name, samples in seen.items()} == {
        "Total": [("total", "count", 150)],
        "Amount": [("total", "EUR", 7), ("total", "USD", 8)],
        "Owner": [("coding", "count", 5)],
        "Other": [("total", "count", 9)],
    }


def test_unknown_figures_arrive_as_intervals(store):
    publish(store, T0, None, low=90, high=None)
    sample = readings(store, [make_rule()], T0)["TooMuch"].samples[0]
    assert sample.interval == (90, float("inf"))


def test_a_kpi_that_is_no_longer_computed_is_no_data_after_max_age(store):
    rule = make_rule(no_data="alert", max_age="1h")
    publish(store, T0, 5)
    assert evaluate_rules(store, [rule], T0 + 60 * MINUTE) == []
    assert reasons(evaluate_rules(store, [rule], T0 + 61 * MINUTE)) == ["inactive>firing:no_data"]
    publish(store, T0 + 62 * MINUTE, 5)
    assert reasons(evaluate_rules(store, [rule], T0 + 62 * MINUTE)) == ["firing>inactive:data_back"]


def test_the_replay_of_a_stretch_of_the_past_adds_nothing(store):
    """`now` is business time, `known_at` the wall clock: a second run over the same log changes nothing."""
    rule = make_rule(**{"for": "5m"})
    values = [10, 150, 150, 20, 150, 150]
    for number, value in enumerate(values):
        publish(store, T0 + number * 5 * MINUTE, value)
    wall = T0 + timedelta(days=900)

    def replay(hours: int) -> int:
        moments = [T0 + number * 5 * MINUTE for number in range(len(values))]
        return sum(len(evaluate_rules(store, [rule], now, wall + timedelta(hours=hours))) for now in moments)

    assert replay(0) == 5
    before = events(store)
    assert replay(1) == 0
    assert events(store) == before


def test_a_wall_clock_set_back_does_not_stop_evaluation(store):
    rule = make_rule(**{"for": "5m"})
    publish(store, T0, 150)
    evaluate_rules(store, [rule], T0)
    back = T0 - timedelta(days=1)
    publish(store, back, 150)
    assert reasons(evaluate_rules(store, [rule], back)) == ["pending>pending:breach"]
    assert reasons(evaluate_rules(store, [rule], back + 5 * MINUTE)) == ["pending>firing:held"]
    assert [entry.alert.state for entry in states(store).values()] == ["firing"]


def test_alerts_of_rules_that_are_in_no_file_any_more_end(store):
    publish(store, T0, 150)
    evaluate_rules(store, [make_rule(), make_rule(alert="Kept")], T0)
    changes = retire_removed(store, [make_rule(alert="Kept")], T0 + MINUTE)
    assert reasons(changes) == ["firing>inactive:rule_removed"]
    assert retire_removed(store, [make_rule(alert="Kept")], T0 + MINUTE) == []
    assert {entry.alert.rule: str(entry.alert.state) for entry in states(store).values()} == {
        "Kept": "firing",
        "TooMuch": "inactive",
    }


def test_only_a_firing_alert_can_be_acknowledged(store):
    publish(store, T0, 150)
    mark = evaluate_rules(store, [make_rule(**{"for": "5m"})], T0)[0].alert.fingerprint
    assert not acknowledge(store, mark, T0)
    assert not acknowledge(store, "nothing", T0)
    evaluate_rules(store, [make_rule(**{"for": "5m"})], T0 + 5 * MINUTE)
    assert acknowledge(store, mark, T0 + 6 * MINUTE)
    assert events(store)[-1]["reason"] == "acknowledged"
    assert evaluate_rules(store, [make_rule(**{"for": "5m"})], T0 + 7 * MINUTE) == []


def test_no_rules_need_no_store_at_all(store):
    assert evaluate_rules(store, [], T0) == []


FIGURES = st.sampled_from([total(150), total(95), total(20), total(None), total(None, 50, 150)])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 9), FIGURES), min_size=1, max_size=7), st.data())
def test_a_restart_at_any_point_is_as_if_there_was_none(store: Store, steps, data):
    """The store keeps the whole state: evaluating through it equals a machine that never stopped."""
    rule = make_rule(above=100, recover_below=90, **{"for": "8m"}, keep_firing_for="8m", no_data="ok")
    watch, start = Watch(rule), T0 + data.draw(st.integers(0, 10_000)) * timedelta(days=1)
    watch.now = start
    for table in ("kpi_values", "alert_events"):
        store.command("TRUNCATE TABLE {t:Identifier}", {"t": table})
    for minutes, figure in steps:
        in_memory = watch.see(figure, after=minutes)
        publish(store, watch.now, figure.value, low=figure.low, high=figure.high)
        assert reasons(evaluate_rules(store, [rule], watch.now)) == reasons(in_memory)
    stored = {mark: entry.alert for mark, entry in states(store).items()}
    assert {mark: (a.state, a.active_since, a.quiet_since) for mark, a in stored.items()} == {
        mark: (a.state, a.active_since, a.quiet_since) for mark, a in watch.alerts.items()
    }


def test_many_segments_are_one_insert(store):
    publish_segments(store, T0, "owner", {f"owner {number}": 150.0 for number in range(300)})
    assert len(evaluate_rules(store, [make_rule(by="owner")], T0)) == 300
    parts = "SELECT count() FROM system.parts WHERE table = 'alert_events' AND active"
    assert store.value(parts) == 1
