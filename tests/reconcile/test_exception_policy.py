"""`exceptions.yaml` and the people of tieout.yaml: every mistake has a place, a cause and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from story import PAYMENT, workflow

from core.errors import ConfigurationError
from core.yamlfile import FileModel, load
from reconcile.life import ActRefusedError, Role
from reconcile.people import AccessSettings, check, people_of
from reconcile.policy import SHIPPED_REASONS, Policy, load_policy

FLOWS = {"story": workflow(PAYMENT)}


def policy(folder: Path, text: str) -> tuple[Policy, list[str]]:
    (folder / "exceptions.yaml").write_text(text)
    found, findings = load_policy(folder, FLOWS, {"north"})
    return found, [finding.text().removeprefix(f"{folder}/") for finding in findings]


def test_without_a_file_a_site_has_the_shipped_reasons(tmp_path: Path) -> None:
    found, findings = load_policy(tmp_path, FLOWS)
    assert (found.reasons, findings) == (dict(SHIPPED_REASONS), [])


def test_a_site_adds_its_own_reasons_and_may_do_without_the_shipped_ones(tmp_path: Path) -> None:
    found, findings = policy(tmp_path, "reasons: {TIMING: Later, CONSIGNMENT: Owned by the supplier}\n")
    assert findings == []
    assert (found.reasons["TIMING"], found.reasons["CONSIGNMENT"]) == ("Later", "Owned by the supplier")
    assert "PRICE" in found.reasons
    only, _ = policy(tmp_path, "shipped_reasons: false\nreasons: {MINE: Mine}\n")
    assert list(only.reasons) == ["MINE"]


def test_a_reason_that_is_not_in_the_catalogue_is_refused_with_the_nearest() -> None:
    Policy().check_reason("TIMING")
    with pytest.raises(ActRefusedError, match=r"unknown reason code 'QUANTIY'; did you mean 'QUANTITY'\?"):
        Policy().check_reason("QUANTIY")
    with pytest.raises(ActRefusedError, match="there are TIMING, CUTOFF"):
        Policy().check_reason("ZZZZ")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("reason: {}\n", "exceptions.yaml:1:1: unknown key 'reason'; allowed: acknowledge_for, assign, growth, reasons,"),
        ("reasons: {lower: x}\n", "exceptions.yaml:1:11: reasons.lower.[key]: String should match pattern"),
        ("shipped_reasons: false\n", "exceptions.yaml:1:1: there is no reason code"),
        ("acknowledge_for: long\n", "exceptions.yaml:1:1: acknowledge_for: a duration is written like"),
        ("growth: {pct: -1}\n", "exceptions.yaml:1:10: growth.pct: Input should be greater than or equal to 0"),
        ("assign: [{name: a, workflow: stroy, to: x}]\n", "exceptions.yaml:1:20: unknown workflow 'stroy'; allowed: story; did you mean 'story'?"),
        ("assign: [{name: a, expectation: paymnt, to: x}]\n", "exceptions.yaml:1:20: unknown expectation 'paymnt'; allowed: payment; did you mean 'payment'?"),
        ("assign: [{name: a, owner: accounts, to: x}]\n", "exceptions.yaml:1:20: unknown owner 'accounts'; allowed: accounts payable"),
        ("assign: [{name: a, at_least: 5, to: x}]\n", "`at_least` needs a `currency`"),
        ("assign:\n- {name: a, to: x}\n- {name: a, to: y}\n", "exceptions.yaml:3:4: a rule named 'a' stands above already"),
        ("service_levels: [{name: a, severity: high}]\n", "exceptions.yaml:1:18: a service level needs `acknowledge` or `resolve`"),
        ("service_levels: [{name: a, severity: high, code: PRIZE, resolve: 1d}]\n", "did you mean 'PRICE'?"),
        ("service_levels: [{name: a, severity: high, resolve: 3bd}]\n", "exceptions.yaml:1:44: business time needs a calendar, and expectation 'payment' of workflow 'story' has none"),
        ("service_levels: [{name: a, severity: high, resolve: 3bd, calendar: nort}]\n", "exceptions.yaml:1:58: unknown calendar 'nort'; allowed: north; did you mean 'north'?"),
        ("service_levels: [{name: a, severity: high, resolve: 3d, calendar: north}]\n", "`calendar` is for business time like 3bd or 8bh"),
        ("service_levels: [{name: a, severity: high, resolve: 3xd}]\n", "or in business time like 3bd or 8bh"),
    ],
)  # fmt: skip
def test_a_mistake_has_a_place_and_the_nearest_name(tmp_path: Path, text: str, finding: str) -> None:
    _, findings = policy(tmp_path, text)
    assert any(finding in one for one in findings), findings


class _File(FileModel):
    access: AccessSettings


def access(folder: Path, text: str) -> tuple[AccessSettings | None, list[str]]:
    file = folder / "tieout.yaml"
    file.write_text(text)
    model, parsed, findings = load(file, _File)
    if model and parsed:
        findings += check(model.access, parsed)
    return model.access if model else None, [
        finding.text().removeprefix(f"{folder}/") for finding in findings
    ]


def test_people_have_the_role_that_stands_beside_their_name_and_others_the_one_for_others(
    tmp_path: Path,
) -> None:
    settings, findings = access(tmp_path, "access: {people: {Ann: {role: approver}}, others: worker}\n")
    assert settings
    assert findings == []
    people = people_of(settings, tmp_path)
    assert (people.role_of("ann "), people.role_of("bo")) == (Role.APPROVER, Role.WORKER)
    assert people_of(AccessSettings(), tmp_path).role_of("anybody") is Role.ADMIN
    with pytest.raises(ActRefusedError, match="needs a person"):
        people.role_of("  ")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("access: {people: {ann: {role: aprover}}}\n", "did you mean 'approver'?"),
        ("access: {people: {ann: {role: worker}, Ann: {role: admin}}}\n", "tieout.yaml:1:40: 'Ann' is the same name as 'ann'"),
        ("access: {people: {tieout: {role: worker}}}\n", "is the same name as 'tieout'"),
        ("access: {people: {ann: {role: worker}}, dashboard: {user: anne}}\n", "unknown person 'anne'; allowed: ann; did you mean 'ann'?"),
        ("access: {dashboard: {user: ann, header: X-User}}\n", "needs one of `user`, `header` or `sign_in: true`"),
        ("access: {dashboard: {}}\n", "needs one of `user`, `header` or `sign_in: true`"),
        ("access: {people: {ann: {role: worker, token: {}}}}\n", "a secret needs either `env` or `file`"),
    ],
)  # fmt: skip
def test_a_mistake_in_who_may_do_what_has_a_place(tmp_path: Path, text: str, finding: str) -> None:
    _, findings = access(tmp_path, text)
    assert any(finding in one for one in findings), findings


def test_a_token_that_is_not_there_or_short_is_refused(tmp_path: Path) -> None:
    settings, _ = access(tmp_path, "access: {people: {ann: {role: worker, token: {file: ann.token}}}}\n")
    assert settings
    (tmp_path / "ann.token").write_text("short")
    with pytest.raises(
        ConfigurationError, match=r"token of 'ann': file 'ann.token' is missing or holds less than 16"
    ):
        people_of(settings, tmp_path)
    (tmp_path / "ann.token").write_text("0123456789abcdef\n")
    assert people_of(settings, tmp_path).has_token("Ann")


def test_a_role_is_one_of_four() -> None:
    with pytest.raises(ValidationError):
        AccessSettings.model_validate({"others": "king"})
