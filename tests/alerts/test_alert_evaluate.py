"""The state machine: every edge by hand, and what must hold for any history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alert_parts import MINUTE, T0, Watch, make_rule, reading, reasons, total
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.evaluate import Alert, Sample, State, Verdict, evaluate, fingerprint, judge, labels_of


@pytest.mark.parametrize(
    ("keys", "firing", "sample", "verdict"),
    [
        ({"above": 100}, False, total(100.1), Verdict.TRUE),
        ({"above": 100}, False, total(100), Verdict.FALSE),
        ({"above": 100}, False, total(120, 90, 130), Verdict.UNCERTAIN),
        ({"above": 100}, False, total(120, 101, 130), Verdict.TRUE),
        ({"above": 100}, False, total(95, 90, 100), Verdict.FALSE),
        ({"above": 100}, False, total(None), Verdict.NO_VALUE),
        ({"above": 100}, False, total(float("nan")), Verdict.NO_VALUE),
        ({"above": 100}, False, total(None, low=101), Verdict.TRUE),
        ({"above": 100}, False, total(None, low=99), Verdict.UNCERTAIN),
        ({"above": 100}, False, total(None, high=100), Verdict.FALSE),
        ({"above": 100, "recover_below": 90}, False, total(95), Verdict.FALSE),
        ({"above": 100, "recover_below": 90}, True, total(95), Verdict.TRUE),
        ({"above": 100, "recover_below": 90}, True, total(90), Verdict.TRUE),
        ({"above": 100, "recover_below": 90}, True, total(89.9), Verdict.FALSE),
        ({"above": 100, "recover_below": 90}, True, total(None, 80, 95), Verdict.UNCERTAIN),
        ({"below": 0.95}, False, total(0.949), Verdict.TRUE),
        ({"below": 0.95}, False, total(0.95), Verdict.FALSE),
        ({"below": 0.95}, False, total(None, 0.9, 0.96), Verdict.UNCERTAIN),
        ({"below": 0.95}, False, total(None, high=0.9), Verdict.TRUE),
        ({"below": 0.95, "recover_above": 0.97}, True, total(0.96), Verdict.TRUE),
        ({"below": 0.95, "recover_above": 0.97}, True, total(0.971), Verdict.FALSE),
        ({"below": 0.95, "recover_above": 0.97}, True, total(None, 0.96, 0.98), Verdict.UNCERTAIN),
        ({"equals": 0}, False, total(0), Verdict.TRUE),
        ({"equals": 0}, False, total(1), Verdict.FALSE),
        ({"equals": 0}, False, total(None, 0, 1), Verdict.UNCERTAIN),
        ({"equals": 0}, False, total(None, 1, 2), Verdict.FALSE),
    ],
)
def test_a_condition_holds_only_when_it_holds_for_the_whole_interval(keys, firing, sample, verdict):
    assert judge(make_rule(**keys), sample, firing=firing) is verdict


def test_it_fires_when_the_condition_held_for_as_long_as_the_rule_says():
    watch = Watch(make_rule(**{"for": "10m"}))
    assert reasons(watch.see(120)) == ["inactive>pending:breach"]
    assert watch.see(120, after=9.99) == []
    assert reasons(watch.see(130, after=0.01)) == ["pending>firing:held"]
    assert watch.see(140, after=60) == []


def test_without_for_it_fires_at_once_and_ends_at_once():
    watch = Watch(make_rule())
    assert reasons(watch.see(101)) == ["inactive>firing:breach"]
    assert reasons(watch.see(100, after=1)) == ["firing>inactive:cleared"]


def test_one_good_look_starts_the_wait_again():
    watch = Watch(make_rule(**{"for": "10m"}))
    watch.see(120)
    assert reasons(watch.see(80, after=9)) == ["pending>inactive:cleared"]
    watch.see(120, after=1)
    assert watch.see(120, after=9) == []
    assert watch.state() == "pending"


def test_between_threshold_and_recovery_it_goes_on_firing_but_does_not_begin():
    watch = Watch(make_rule(above=100, recover_below=90))
    assert watch.see(95) == []
    watch.see(105, after=1)
    assert watch.see(95, after=1) == []
    assert reasons(watch.see(89, after=1)) == ["firing>inactive:cleared"]
    assert watch.see(95, after=1) == []


def test_it_goes_on_for_keep_firing_for_and_a_new_breach_stops_that_clock():
    watch = Watch(make_rule(keep_firing_for="15m"))
    watch.see(120)
    assert reasons(watch.see(50, after=5)) == ["firing>firing:recovering"]
    assert watch.see(50, after=14) == []
    assert reasons(watch.see(120, after=0.5)) == ["firing>firing:breach"]
    assert reasons(watch.see(50, after=1)) == ["firing>firing:recovering"]
    assert watch.see(50, after=14.9) == []
    assert reasons(watch.see(50, after=0.1)) == ["firing>inactive:cleared"]


@pytest.mark.parametrize(
    ("unknown", "from_inactive", "from_firing"),
    [
        ("keep", [], []),
        ("ok", [], ["firing>inactive:unknown"]),
        ("alert", ["inactive>firing:unknown"], []),
    ],
)
def test_an_interval_across_the_threshold_means_what_the_rule_says(unknown, from_inactive, from_firing):
    across = total(None, 50, 150)
    assert reasons(Watch(make_rule(unknown=unknown)).see(across)) == from_inactive
    watch = Watch(make_rule(unknown=unknown))
    watch.see(200)
    assert reasons(watch.see(across, after=1)) == from_firing


def test_a_pending_alert_does_not_fire_on_a_look_that_is_not_certain():
    watch = Watch(make_rule(**{"for": "5m"}))
    watch.see(200)
    assert watch.see(total(None, 50, 150), after=10) == []
    assert reasons(watch.see(200, after=1)) == ["pending>firing:held"]


@pytest.mark.parametrize(
    ("no_data", "from_inactive", "from_firing"),
    [
        ("keep", [], []),
        ("ok", [], ["firing>inactive:no_data"]),
        ("alert", ["inactive>firing:no_data"], ["inactive>firing:no_data"]),
    ],
)
def test_no_figures_mean_what_the_rule_says(no_data, from_inactive, from_firing):
    assert reasons(Watch(make_rule(no_data=no_data)).see(blind=True)) == from_inactive
    watch = Watch(make_rule(no_data=no_data))
    watch.see(200)
    assert reasons(watch.see(after=1, blind=True)) == from_firing


def test_no_data_is_an_alert_of_its_own_that_ends_when_figures_are_back():
    watch = Watch(make_rule(no_data="alert", keep_firing_for="1h"))
    blind = watch.see(blind=True)[0].alert
    assert blind.labels["signal"] == "no_data"
    assert reasons(watch.see(50, after=1)) == ["firing>inactive:data_back"]


def test_figures_older_than_max_age_are_no_figures():
    rule = make_rule(no_data="alert", max_age="1h")
    old = reading(T0 - timedelta(hours=1), total(50))
    assert evaluate(rule, {}, old, T0) == []
    assert reasons(evaluate(rule, {}, old, T0 + timedelta(seconds=1))) == ["inactive>firing:no_data"]


@pytest.mark.parametrize(
    ("no_data", "from_inactive"), [("keep", []), ("ok", []), ("alert", ["inactive>firing:no_data"])]
)
def test_a_figure_without_a_value_counts_as_no_data(no_data, from_inactive):
    assert reasons(Watch(make_rule(no_data=no_data)).see(None)) == from_inactive


def test_every_segment_is_an_alert_of_its_own():
    watch = Watch(make_rule(by="owner", **{"for": "5m"}))
    both = (Sample("coding", "count", 200), Sample("billing", "count", 5))
    changes = watch.see(*both)
    assert [change.alert.labels["segment"] for change in changes] == ["coding"]
    assert changes[0].alert.labels["owner"] == "coding"
    watch.see(Sample("coding", "count", 200), Sample("billing", "count", 500), after=5)
    assert {alert.labels["segment"]: str(alert.state) for alert in watch.alerts.values()} == {
        "coding": "firing",
        "billing": "pending",
    }


def test_a_named_segment_looks_at_no_other():
    watch = Watch(make_rule(by="owner", segment="coding"))
    assert watch.see(Sample("billing", "count", 500), Sample("coding", "count", 5)) == []
    assert (
        watch.see(Sample("billing", "count", 500), Sample("coding", "count", 500))[0].alert.labels["segment"]
        == "coding"
    )


def test_amounts_in_two_currencies_are_two_alerts_unless_the_rule_names_one():
    both = (Sample("total", "EUR", 500), Sample("total", "USD", 700))
    assert {change.alert.labels["unit"] for change in Watch(make_rule()).see(*both)} == {"EUR", "USD"}
    assert [change.alert.labels["unit"] for change in Watch(make_rule(unit="USD")).see(*both)] == ["USD"]


def test_a_segment_that_is_gone_is_no_longer_above_anything():
    watch = Watch(make_rule(by="owner"))
    watch.see(Sample("coding", "count", 200))
    assert reasons(watch.see(Sample("billing", "count", 1), after=1)) == ["firing>inactive:gone"]
    watch.see(Sample("coding", "count", 200), after=1)
    assert reasons(watch.see(after=1)) == ["firing>inactive:gone"], "also when no segment is left"


@pytest.mark.parametrize(
    ("no_data", "expected"), [("keep", []), ("alert", []), ("ok", ["firing>inactive:gone"])]
)
def test_a_segment_that_is_gone_may_well_be_below_something(no_data, expected):
    watch = Watch(make_rule(by="owner", below=10, no_data=no_data))
    watch.see(Sample("coding", "count", 5))
    assert reasons(watch.see(Sample("billing", "count", 50), after=1)) == expected


def test_a_named_segment_without_a_figure_is_no_data():
    watch = Watch(make_rule(by="owner", segment="coding", below=10, no_data="alert"))
    assert reasons(watch.see(Sample("billing", "count", 50))) == ["inactive>firing:no_data"]


def test_a_rule_that_now_makes_another_alert_ends_the_old_one():
    watch = Watch(make_rule(keep_firing_for="1h"))
    watch.see(200)
    watch.rule = make_rule(severity="page", keep_firing_for="1h")
    assert reasons(watch.see(200, after=1)) == ["inactive>firing:breach", "firing>inactive:rule_changed"]


def test_a_changed_rule_does_not_leave_an_old_no_data_alert_behind():
    watch = Watch(make_rule(no_data="alert"))
    watch.see(blind=True)
    watch.rule = make_rule(no_data="alert", severity="page")
    assert reasons(watch.see(blind=True, after=1)) == [
        "inactive>firing:no_data",
        "firing>inactive:rule_changed",
    ]
    watch.rule = make_rule(no_data="keep", severity="page")
    assert reasons(watch.see(blind=True, after=1)) == ["firing>inactive:cleared"]


def test_a_clock_set_back_restarts_the_wait_and_does_not_make_it_endless():
    watch = Watch(make_rule(**{"for": "10m"}))
    watch.see(200)
    watch.now -= timedelta(days=1)
    assert watch.see(200)[0].alert.active_since == watch.now
    assert reasons(watch.see(200, after=10)) == ["pending>firing:held"]


def test_labels_make_the_fingerprint_in_any_order():
    labels = labels_of(make_rule(labels={"team": "ar"}), total(1))
    assert fingerprint(labels) == fingerprint(dict(reversed(labels.items())))
    assert labels == {
        "alertname": "TooMuch",
        "severity": "ticket",
        "workflow": "hospital_billing",
        "kpi": "K03",
        "measure": "open",
        "unit": "count",
        "team": "ar",
    }


def test_fingerprints_do_not_run_labels_together():
    assert fingerprint({"a": "b", "c": "d"}) != fingerprint({"a": "b\x00c\x01d"})
    assert fingerprint({"a": "bc"}) != fingerprint({"ab": "c"})


SAMPLES = st.one_of(
    st.none(),
    st.sampled_from(
        [total(120), total(95), total(50), total(None), total(None, 50, 150), total(None, low=110)]
    ),
)
STEPS = st.lists(st.tuples(st.integers(0, 12), SAMPLES), max_size=25)
RULES = st.builds(
    lambda wait, keep, unknown, no_data, recover: make_rule(
        **{"for": f"{wait}m"},
        keep_firing_for=f"{keep}m",
        unknown=unknown,
        no_data=no_data,
        **({"recover_below": 90} if recover else {}),
    ),
    st.integers(0, 15),
    st.integers(0, 15),
    st.sampled_from(["ok", "alert", "keep"]),
    st.sampled_from(["ok", "alert", "keep"]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(RULES, STEPS)
def test_it_never_fires_before_the_condition_held_long_enough(rule, steps):
    """Against a plain account of when the condition held: looks since the last one that ended it."""
    watch = Watch(rule)
    held_since = None
    for minutes, sample in steps:
        changes = watch.see(*([sample] if sample else []), after=minutes, blind=sample is None)
        changes = [change for change in changes if "signal" not in change.alert.labels]
        asks = _asks(rule, sample, watch)
        held_since = None if asks is False else held_since or (watch.now if asks else None)
        for change in changes:
            if change.fired:
                assert asks is True
                assert held_since is not None
                assert watch.now - held_since >= rule.for_


def _asks(rule, sample, watch):
    """What one look asks of an alert that is not firing."""
    words = {"alert": True, "ok": False, "keep": None}
    if sample is None:
        return False if rule.no_data == "ok" else None
    ends = [end for end in (sample.value, sample.low, sample.high) if end is not None]
    if not ends:
        return words[rule.no_data]
    low = sample.low if sample.low is not None else sample.value
    high = sample.high if sample.high is not None else sample.value
    if low is not None and low > 100:
        return True
    if high is not None and high <= 100:
        return False
    return words[rule.unknown]


@settings(max_examples=150, deadline=None)
@given(RULES, STEPS)
def test_looking_twice_changes_nothing(rule, steps):
    watch = Watch(rule)
    for minutes, sample in steps:
        seen = [sample] if sample else []
        watch.see(*seen, after=minutes, blind=sample is None)
        assert watch.see(*seen, blind=sample is None) == []


@settings(max_examples=150, deadline=None)
@given(RULES, STEPS)
def test_states_follow_one_another_and_their_times_are_in_order(rule, steps):
    watch = Watch(rule)
    last: dict[str, State] = {}
    for minutes, sample in steps:
        for change in watch.see(*([sample] if sample else []), after=minutes, blind=sample is None):
            alert = change.alert
            assert change.previous is last.get(alert.fingerprint, State.INACTIVE)
            assert not (change.previous is State.FIRING and alert.state is State.PENDING)
            assert (alert.active_since is None) == (alert.state is State.INACTIVE)
            assert alert.quiet_since is None or alert.state is State.FIRING
            assert alert.active_since is None or alert.active_since <= watch.now
            last[alert.fingerprint] = alert.state


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(
        [Sample(name, "count", value) for name, value in (("a", 200.0), ("b", 5.0), ("c", 300.0))]
    )
)
def test_the_order_of_segments_does_not_matter(samples):
    changes = evaluate(make_rule(by="owner"), {}, reading(T0, *samples), T0)
    assert {change.alert.labels["segment"] for change in changes} == {"a", "c"}


def test_an_alert_knows_whether_a_change_fired_or_ended_it():
    watch = Watch(make_rule(keep_firing_for="5m"))
    assert watch.see(200)[0].fired
    recovering = watch.see(50, after=1)[0]
    assert not recovering.fired
    assert not recovering.resolved
    assert watch.see(50, after=5)[0].resolved
    assert isinstance(recovering.alert, Alert)
    assert recovering.alert.quiet_since == T0 + MINUTE
