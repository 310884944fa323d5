"""Alert files: what a good folder gives, and one bad file for every way to be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_parts import make_rule

from alerts.load import KpiNames, load_rules, rule_files
from alerts.notify.email import EmailReceiver
from alerts.notify.webhook import WebhookReceiver
from alerts.rule import AlertConfig, AlertFile, Group, Route, Rule, Silence

HERE = Path(__file__).parent
BILLING, PROCUREMENT = "hospital_billing", "procure_to_payment"
KPIS = {
    "K03": KpiNames(
        {"open", "amount"}, {BILLING: ("", "owner", "department"), PROCUREMENT: ("", "owner", "supplier")}
    ),
    "K24": KpiNames({"rate"}, {BILLING: ("", "owner")}),
}


def load(folder: Path):
    return load_rules(folder, KPIS, [BILLING, PROCUREMENT])


@pytest.mark.parametrize("path", sorted((HERE / "bad").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_one_finding_with_its_place(path, tmp_path):
    text = path.read_text()
    (tmp_path / path.name).write_text(text)
    place, _, message = text.split("\n")[0].removeprefix("# ").partition(" ")
    config, findings = load(tmp_path)
    assert [f"{finding.line}:{finding.column}" for finding in findings] == [place], [
        f.text() for f in findings
    ]
    assert message in findings[0].message
    assert config == AlertConfig()
    assert "s3cret" not in findings[0].text()


def test_a_misspelt_name_is_met_with_the_nearest_one(tmp_path):
    for name in (
        "unknown_kpi",
        "unknown_measure",
        "unknown_workflow",
        "unknown_placeholder",
        "unknown_receiver",
    ):
        (tmp_path / f"{name}.yaml").write_text(
            (HERE / "bad" / f"{name}.yaml").read_text().replace("TooMuch", name)
        )
    nearest = {finding.nearest for finding in load(tmp_path)[1] if finding.nearest}
    assert nearest >= {"K03", "open", BILLING, "value", "desk"}


def test_all_mistakes_come_at_once_and_good_files_still_count(tmp_path):
    (tmp_path / "a.yaml").write_text(
        (HERE / "bad" / "unknown_kpi.yaml").read_text().replace("name: billing", "name: a")
    )
    (tmp_path / "b.yaml").write_text(
        (HERE / "bad" / "no_condition.yaml").read_text().replace("name: billing", "name: b")
    )
    (tmp_path / "c.yaml").write_text((HERE / "good" / "billing.yaml").read_text())
    config, findings = load(tmp_path)
    assert len(findings) == 2
    assert {rule.alert for rule in config.rules} == {"OpenExceptions", "OpenAmount", "SuccessRate"}


def test_a_good_folder_is_read_whole(monkeypatch):
    monkeypatch.setenv("DESK_TOKEN", "abc")
    config, findings = load(HERE / "good")
    assert findings == []
    assert [rule.alert for rule in config.rules] == ["OpenExceptions", "OpenAmount", "SuccessRate"]
    rule = config.rule("OpenExceptions")
    assert rule is not None
    assert (rule.for_, rule.keep_firing_for, rule.max_age) == (
        timedelta(minutes=10),
        timedelta(minutes=15),
        timedelta(days=1),
    )
    assert [type(receiver) for receiver in config.receivers.values()] == [WebhookReceiver, EmailReceiver]
    assert config.silences[0].from_ == datetime(2026, 12, 23, 23, 0, tzinfo=UTC)
    assert type(config.silences[0].from_) is datetime
    assert "abc" not in repr(config)
    assert config.rules_of(PROCUREMENT) == ()


def test_tests_of_rules_are_no_rules():
    assert [path.name for path in rule_files(HERE / "good")] == ["billing.yaml", "receivers.yaml"]


def test_a_missing_folder_is_an_empty_configuration(tmp_path):
    assert load(tmp_path / "nothing") == (AlertConfig(), [])


def test_the_first_route_that_fits_is_taken_and_further_ones_while_it_says_continue():
    def route(name, **keys):
        return Route.model_validate({"receivers": [name]} | keys)

    config = AlertConfig(
        routes=(
            route("a", match={"severity": "page"}, **{"continue": True}),
            route("b", match={"severity": ["page", "ticket"], "owner": "coding"}),
            route("c"),
        )
    )

    def taken(**labels):
        return [receiver for found in config.routes_of(labels) for receiver in found.receivers]

    assert taken(severity="page", owner="coding") == ["a", "b"]
    assert taken(severity="page") == ["a", "c"]
    assert taken(severity="ticket", owner="coding") == ["b"]
    assert taken(severity="info") == ["c"]


def test_a_silence_holds_from_its_beginning_until_just_before_its_end():
    start = datetime(2026, 12, 24, tzinfo=UTC)
    end = start + timedelta(days=1)
    silence = Silence.model_validate(
        {"match": {"owner": "coding"}, "from": start, "until": end, "reason": "x"}
    )
    config = AlertConfig(silences=(silence,))
    assert config.silence_of({"owner": "coding"}, start) is silence
    assert config.silence_of({"owner": "coding"}, end) is None
    assert config.silence_of({"owner": "coding"}, start - timedelta(seconds=1)) is None
    assert config.silence_of({"owner": "billing"}, start) is None


def test_groups_take_turns_on_multiples_of_their_interval():
    config = AlertConfig(
        groups=(
            Group(name="fast", every=timedelta(minutes=1), rules=(make_rule(alert="Fast"),)),
            Group(name="slow", every=timedelta(minutes=5), rules=(make_rule(alert="Slow"),)),
        )
    )
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def due(since, now):
        return [rule.alert for rule in config.due(since, now)]

    assert due(None, at) == ["Fast", "Slow"]
    assert due(at, at + timedelta(seconds=30)) == []
    assert due(at + timedelta(seconds=50), at + timedelta(seconds=65)) == ["Fast"]
    assert due(at + timedelta(minutes=4, seconds=50), at + timedelta(minutes=5)) == ["Fast", "Slow"]


def test_every_key_of_a_rule_is_documented():
    for model in (Rule, Route, Silence, WebhookReceiver, EmailReceiver):
        text = (model.__doc__ or "") + (AlertFile.__doc__ or "")
        for name, field in model.model_fields.items():
            key = field.alias or name
            assert f"`{key}`" in text or key in (
                "annotations",
                "name",
                "kind",
                "receivers",
                "reason",
                "by",
                "from",
                "host",
                "port",
            ), key
