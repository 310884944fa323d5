"""What may be kept of telemetry: the part `privacy:` of tieout.yaml, as rules that the store applies.

Without that part everything is kept. With it, requests go into the store by tables whose views take out what
is not named before anything is written (store/migrations/0013_privacy.sql). The rules stand in the table
`privacy_rules`; the keys of tokens come with each insert and stand nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretBytes, StringConstraints

from collector.protobuf import bytes_field
from core.errors import ConfigurationError
from core.findings import Finding, nearest
from core.secret import KEY_BYTES, Secret, is_strong
from core.yamlfile import FileModel, Location, Parsed
from store.client import Store
from store.sqlfile import read
from workflows.model import Workflow

SQL = Path(__file__).parent / "sql"
# `policy` in the rows of the signals.
POLICY_FIELD = 6
# What derivation and the conventions need to recognise, whatever a site lists.
ALWAYS_NAMED = ("exception", "tieout.collector")
# What `*` stands for: no space, slash or at sign and no long number, so that no sentence, path, address or
# number of a person is taken for a name.
WILDCARD = "[0-9]{0,3}(?:[A-Za-z_.-]+[0-9]{0,3})*"
WILD_CHARACTER = re.compile("[A-Za-z0-9_.-]")
NOTHING = r"[^\s\S]"
CORE_LIMIT = (0, 0)


def _pattern_text(text: str) -> str:
    if "**" in text:
        raise ValueError("one * stands for any letters and _.- already")
    return text


Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256, pattern=r"^\S(.*\S)?$"),
    AfterValidator(_pattern_text),
]
KeyId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$", max_length=32)]


class Key(FileModel):
    """A key of tokens. `id` is the first part of every token made with it."""

    id: KeyId
    secret: Secret

    def read(self, root: Path) -> SecretBytes:
        """The key itself. Raises ConfigurationError when it is missing or can be guessed."""
        secret = self.secret.read(root)
        if not is_strong(secret.get_secret_value()):
            raise ConfigurationError(
                f"privacy key {self.id!r}: {self.secret.place} is missing, holds less than {KEY_BYTES} bytes, "
                "or repeats a few of them; make one with `openssl rand -hex 32`"
            )
        return secret


class Privacy(FileModel):
    """Names of what is kept, with `*` for any letters, `_.-` and up to three digits in a row; the rest is dropped.

    `attributes` are kept, by name, wherever they stand. `names`: spans, events, scopes and metrics; those of the
    workflows' steps are kept anyhow. Among the attributes kept, `tokens` become keyed hashes, `urls` keep
    scheme and host, `statements` lose their literals, and of `texts` plain words stay. `bodies`: what becomes of
    the text of log records. `keys` are those of tokens, the newest first: as long as there are two, every
    value has two tokens.
    """

    attributes: tuple[Pattern, ...] = ()
    names: tuple[Pattern, ...] = ()
    tokens: tuple[Pattern, ...] = ()
    urls: tuple[Pattern, ...] = (
        "url.full", "url.original", "http.url", "http.target", "url.path", "url.query", "http.request.header.referer",
    )  # fmt: skip
    statements: tuple[Pattern, ...] = ("db.query.text", "db.statement")
    texts: tuple[Pattern, ...] = ("exception.message", "exception.stacktrace", "error.message")
    bodies: Literal["keep", "mask", "drop"] = "drop"
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A policy ready for use: its id, its rules by kind, and the keys of tokens, the newest first."""

    id: str
    rules: Mapping[str, str]
    keys: Mapping[str, SecretBytes]

    @property
    def mark(self) -> bytes:
        """Protobuf that names the policy and its keys, in each row that the engine is given: `policy` in the schemas."""
        content = bytes_field(1, self.id.encode())
        content += b"".join(bytes_field(2, name.encode()) for name in self.keys)
        content += b"".join(bytes_field(3, key.get_secret_value()) for key in self.keys.values())
        return bytes_field(POLICY_FIELD, content)

    def digest(self, body: bytes) -> str:
        """Names a body, in 64 hexadecimal digits. A plain hash would let one try what was taken out of it."""
        # The oldest key: a new one changes nothing for requests that are sent again.
        oldest = list(self.keys.values())[-1].get_secret_value()
        return hmac.new(hmac.digest(oldest, b"tieout request", "sha256"), body, "sha256").hexdigest()

    def holds_in(self, store: Store) -> bool:
        """Whether it is the newest policy of the store. Raises StoreError."""
        return bool(store.one(read(SQL / "privacy_policy.sql")).get("policy") == self.id)


def policy_of(privacy: Privacy, root: Path, workflows: Iterable[Workflow] = ()) -> Policy:
    """The policy with its keys. Raises ConfigurationError when a key is missing or weak, or there is none."""
    if not privacy.keys:
        raise ConfigurationError("privacy: there is no key; `keys` needs one, also for the ids of requests")
    steps = {
        select.name for workflow in workflows for step in workflow.steps.values() for select in step.select
    }
    special = (*privacy.tokens, *privacy.urls, *privacy.statements, *privacy.texts)
    rules = {
        "attributes": expression(privacy.attributes),
        "names": expression(privacy.names, exactly={*ALWAYS_NAMED, *steps} - {""}),
        "special": expression(special),
        "tokens": expression(privacy.tokens),
        "urls": expression(privacy.urls),
        "statements": expression(privacy.statements),
        "texts": expression(privacy.texts),
        "bodies": privacy.bodies,
        "keys": " ".join(key.id for key in privacy.keys),
    }
    identity = hashlib.sha256(repr(sorted(rules.items())).encode()).hexdigest()[:32]
    keys = {key.id: key.read(root) for key in privacy.keys}
    return Policy(identity, {"policy": identity, **rules}, keys)


def set_policy(store: Store, policy: Policy, now: datetime) -> None:
    """Makes `policy` the one that holds in the store, if it is not. Raises ConfigurationError, StoreError."""
    if store.embedded and not hasattr(os, "memfd_create"):
        raise ConfigurationError(
            "privacy: on this system the embedded store reads requests from files in clear; use a server in store.url"
        )
    newest = store.one(read(SQL / "privacy_policy.sql"))
    if newest.get("policy") == policy.id:
        return
    if newest:
        # The newest one holds, also when the clock was set back.
        now = max(now, newest["known_at"] + timedelta(microseconds=1))
    rows = [
        {"policy": policy.id, "kind": kind, "pattern": pattern, "known_at": now}
        for kind, pattern in policy.rules.items()
    ]
    store.insert("privacy_rules", rows)


def forbid_core_dumps() -> None:
    """A dump of this process would hold requests and keys in clear."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, CORE_LIMIT)


def expression(patterns: Iterable[str], exactly: Collection[str] = ()) -> str:
    """One regular expression of whole names, in the engine's dialect; without patterns, nothing matches."""
    parts = [
        WILDCARD.join(_escaped(piece) for piece in pattern.split("*")) for pattern in sorted(set(patterns))
    ]
    parts += [_escaped(name) for name in sorted(exactly)]
    return f"^(?:{'|'.join(parts) or NOTHING})$"


def _escaped(text: str) -> str:
    """Only ASCII punctuation may stand behind a backslash."""
    return re.sub(r"[!-/:-@\[-^`{-~]", lambda found: "\\" + found.group(), text)


def check(privacy: Privacy | None, parsed: Parsed, root: Path, at: Location = ("privacy",)) -> list[Finding]:
    """What is wrong with `privacy`, which stands at `at`: keys, and rules for attributes that are dropped anyhow."""
    if privacy is None:
        # Nothing but the word must not mean that everything is kept.
        return (
            [parsed.finding(at, "privacy is empty; leave it out to keep everything")]
            if _written(parsed)
            else []
        )
    return [*_key_findings(privacy, parsed, root, at), *_dropped_findings(privacy, parsed, at)]


def _written(parsed: Parsed) -> Collection[str]:
    """What the file says under `privacy:`; the word alone, when there is nothing else."""
    if not isinstance(parsed.data, dict) or "privacy" not in parsed.data:
        return ()
    said = parsed.data["privacy"]
    return tuple(said) if isinstance(said, dict) and said else ("privacy",)


def _key_findings(privacy: Privacy, parsed: Parsed, root: Path, at: Location) -> list[Finding]:
    if not privacy.keys:
        return [parsed.finding(at, "there is no key; `keys` needs one, also for the ids of requests")]
    findings: list[Finding] = []
    ids = Counter(key.id for key in privacy.keys)
    seen: dict[bytes, str] = {}
    for index, key in enumerate(privacy.keys):
        place = (*at, "keys", index)
        if ids[key.id] > 1:
            findings.append(parsed.finding((*place, "id"), f"key {key.id!r} is there twice"))
        try:
            content = key.read(root).get_secret_value()
        except ConfigurationError as error:
            findings.append(parsed.finding(place, str(error)))
            continue
        if content in seen:
            findings.append(parsed.finding(place, f"key {key.id!r} is the same as {seen[content]!r}"))
        seen[content] = key.id
    return findings


def _dropped_findings(privacy: Privacy, parsed: Parsed, at: Location) -> list[Finding]:
    """A rule for what is not kept is a misspelling of the one or the other. Defaults may well be of no use."""
    return [
        parsed.finding(
            (*at, kind, index),
            f"{kind}: {pattern!r} is not among the attributes that are kept",
            ", ".join(privacy.attributes) or "none is kept",
            nearest(pattern, privacy.attributes),
        )
        for kind in ("tokens", "urls", "statements", "texts")
        if kind in _written(parsed)
        for index, pattern in enumerate(getattr(privacy, kind))
        if not any(_meet(pattern, kept) for kept in privacy.attributes)
    ]


@lru_cache(4096)
def _meet(one: str, other: str) -> bool:
    """Whether there is a name that both patterns are for."""
    if not one or not other:
        return not (one + other).strip("*")
    if other[0] == "*":
        one, other = other, one
    if one[0] == "*":
        within = other[0] == "*" or WILD_CHARACTER.match(other[0])
        return _meet(one[1:], other) or (bool(within) and _meet(one, other[1:]))
    return one[0] == other[0] and _meet(one[1:], other[1:])
