"""Who may do what: the part `access:` of tieout.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, model_validator

from core.errors import ConfigurationError
from core.findings import Finding, nearest
from core.secret import Secret
from core.yamlfile import FileModel, Location, Parsed
from reconcile.life import MACHINE, ActRefusedError, Role

# Shorter ones can be guessed.
TOKEN_CHARACTERS = 16

PersonName = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", min_length=1, max_length=128)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=64)]


class Person(FileModel):
    """What one person may do. With a `token`, only who holds it is this person, but on the dashboard, which has its own way."""

    role: Role
    token: Secret | None = None


class DashboardAccess(FileModel):
    """How the dashboard knows who acts; one of three.

    `user`: always this person. `header`: the name in this header, which a proxy in front sets and nobody else
    can. `sign_in`: the e-mail address of Streamlit's own sign-in.
    """

    user: PersonName | None = None
    header: HeaderName | None = None
    sign_in: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> DashboardAccess:
        if (self.user is not None) + (self.header is not None) + self.sign_in != 1:
            raise ValueError("the dashboard needs one of `user`, `header` or `sign_in: true`")
        return self


class AccessSettings(FileModel):
    """`people` by name, with their roles. Who is not among them has the role `others`.

    Without any people, whoever reaches the data folder or the dashboard may do everything, under any name.
    Without `dashboard`, the dashboard only shows.
    """

    people: dict[PersonName, Person] = Field(default_factory=dict)
    others: Role = Role.VIEWER
    dashboard: DashboardAccess | None = None


@dataclass(frozen=True)
class People:
    """The people of a site with their roles, and the secrets of those who have one. Names are without case."""

    roles: Mapping[str, Role]
    others: Role
    tokens: Mapping[str, SecretStr]

    def role_of(self, name: str) -> Role:
        """The role of a person. Raises ActRefusedError when there is no name, or it is tieout's own."""
        if not name.strip():
            raise ActRefusedError("person", "an act needs a person: pass --by NAME or set TIEOUT_USER")
        if name.strip().casefold() == MACHINE:
            raise ActRefusedError(
                "person", f"{MACHINE!r} is what tieout calls itself; no person can have this name"
            )
        return self.roles.get(name.strip().casefold(), self.others) if self.roles else Role.ADMIN

    def has_token(self, name: str) -> bool:
        """Whether this person must show a token."""
        return name.strip().casefold() in self.tokens


def people_of(settings: AccessSettings, root: Path) -> People:
    """The people with their tokens. Raises ConfigurationError for a token that is not there or is short."""
    tokens = {name: person.token for name, person in settings.people.items() if person.token}
    return People(
        {name.casefold(): person.role for name, person in settings.people.items()},
        settings.others,
        {name.casefold(): _token(name, secret, root) for name, secret in tokens.items()},
    )


def _token(name: str, secret: Secret, root: Path) -> SecretStr:
    text = secret.read(root).get_secret_value().decode("utf-8", "replace")
    if len(text) < TOKEN_CHARACTERS:
        raise ConfigurationError(
            f"token of {name!r}: {secret.place} is missing or holds less than {TOKEN_CHARACTERS} characters"
        )
    return SecretStr(text)


def check(settings: AccessSettings, parsed: Parsed, at: Location = ("access",)) -> list[Finding]:
    """What is wrong beyond the shape: names that are the same without case, a dashboard user nobody knows."""
    findings, seen = [], {MACHINE: MACHINE}
    for name in settings.people:
        if name.casefold() in seen:
            other = seen[name.casefold()]
            findings.append(parsed.finding((*at, "people", name), f"{name!r} is the same name as {other!r}"))
        seen[name.casefold()] = name
    user = settings.dashboard.user if settings.dashboard else None
    if user and settings.people and user.casefold() not in {name.casefold() for name in settings.people}:
        findings.append(
            parsed.finding(
                (*at, "dashboard", "user"), f"unknown person {user!r}", ", ".join(settings.people),
                nearest(user, settings.people),
            )
        )  # fmt: skip
    return findings
