"""What fires, why somebody was told, and why nobody was."""

from __future__ import annotations

from alert_parts import MINUTE, T0, make_rule, publish, publish_segments
from test_alert_deliver import config_of, evaluate, silence

from alerts.deliver import deliver
from alerts.rule import AlertConfig, Group
from alerts.run import acknowledge, evaluate_rules
from alerts.why import current, why, why_not


def rules_only(*rules) -> AlertConfig:
    return AlertConfig(groups=(Group(name="g", rules=rules),))


def test_the_whole_life_of_an_alert_is_one_list(store, desk):
    config = config_of(desk, rules=[make_rule(**{"for": "1m"})])
    evaluate(store, config, 150, T0)
    mark = evaluate(store, config, 150, T0 + MINUTE)[0].alert.fingerprint
    desk.status = 500
    deliver(store, config, T0 + MINUTE)
    desk.status = 200
    deliver(store, config, T0 + 2 * MINUTE)
    rows = why(store, mark)
    assert [(row["kind"], row["what"], row["why"]) for row in rows] == [
        ("state", "inactive → pending", "breach"),
        ("state", "pending → firing", "held"),
        ("notification", "firing planned", ""),
        ("notification", "firing sending", ""),
        ("notification", "firing failed", "http_500"),
        ("notification", "firing sending", ""),
        ("notification", "firing sent", ""),
    ]
    assert why(store, "TooMuch") == rows
    assert why(store, "nothing") == []


def test_what_fires_now_comes_by_urgency(store, desk):
    config = config_of(
        desk,
        rules=[
            make_rule(alert="Later", **{"for": "1h"}),
            make_rule(alert="Work"),
            make_rule(alert="Wake", severity="page"),
            make_rule(alert="Quiet", above=1000),
        ],
    )
    evaluate(store, config, 150, T0)
    deliver(store, config, T0)
    rows = current(store)
    assert [(row["rule"], row["state"], row["told"]) for row in rows] == [
        ("Wake", "firing", "d0 firing sent"),
        ("Work", "firing", "d0 firing sent"),
        ("Later", "pending", ""),
    ]
    assert rows[0]["labels"]["severity"] == "page"
    acknowledge(store, rows[0]["fingerprint"], T0 + MINUTE)
    assert current(store)[0]["reason"] == "acknowledged"


def test_why_not_names_each_step_that_decided(store, desk):
    config = config_of(
        desk, rules=[make_rule(by="owner", **{"for": "10m"})], silences=[silence(T0, T0 + 60 * MINUTE)]
    )
    publish_segments(store, T0, "owner", {"coding": 150, "billing": 5})
    evaluate_rules(store, config.rules, T0)
    found = {e.labels["segment"]: e for e in why_not(store, config, "TooMuch", T0 + 4 * MINUTE)}
    assert found["billing"].state == "inactive"
    assert found["billing"].steps[:2] == ("K03 open is 5", "that is not above 100")
    assert found["coding"].state == "pending"
    assert found["coding"].steps == (
        "K03 open is 150",
        "that is above 100",
        "it has held for 4m of the 10m it must hold",
        "silenced until 2026-11-20 13:00 UTC: x",
        "goes to d0",
    )


def test_why_not_tells_what_is_not_known(store):
    def steps(rule, now=T0):
        return why_not(store, rules_only(rule), "TooMuch", now)[0].steps

    assert steps(make_rule())[0] == "K03 has no figure of the last 1d for hospital_billing"
    assert steps(make_rule())[-1] == "no route takes it, so nobody is told"
    publish(store, T0, None, low=50, high=150)
    assert steps(make_rule())[:2] == (
        "K03 open is between 50 and 150",
        "that may be above 100 or not; the rule says `unknown: keep`",
    )
    assert "has no segment of owner" in steps(make_rule(by="owner"))[0]
    assert "without this figure" in steps(make_rule(unit="EUR"))[0]
    publish(store, T0 + MINUTE, None)
    assert steps(make_rule(), T0 + MINUTE)[1] == "that is no value; the rule says `no_data: keep`"
    publish(store, T0 + 2 * MINUTE, None, low=50)
    assert steps(make_rule(), T0 + 2 * MINUTE)[0] == "K03 open is between 50 and unknown"


def test_why_not_of_an_alert_that_fires_says_what_keeps_it(store):
    rule = make_rule(recover_below=90, keep_firing_for="10m")
    config = rules_only(rule)
    for minutes, value in ((0, 150), (1, 95)):
        publish(store, T0 + minutes * MINUTE, value)
        evaluate_rules(store, [rule], T0 + minutes * MINUTE)
    assert why_not(store, config, "TooMuch", T0 + MINUTE)[0].steps[1] == (
        "that is no longer above 100, but has not recovered"
    )
    publish(store, T0 + 2 * MINUTE, 20)
    evaluate_rules(store, [rule], T0 + 2 * MINUTE)
    steps = why_not(store, config, "TooMuch", T0 + 3 * MINUTE)[0].steps
    assert "the condition ended at 2026-11-20 12:02:00 UTC; it goes on for keep_firing_for" in steps


def test_an_unknown_rule_has_no_explanation(store):
    assert why_not(store, AlertConfig(), "Nope", T0) == []
