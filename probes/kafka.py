"""Topics of Kafka: how far each group of consumers has read, and how old the first record is that it has not read.

Asked by the admin interface alone: no group is joined, no offset committed, no record fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from core.findings import Finding, nearest
from core.yamlfile import FileModel, Parsed
from probes.credentials import Tls
from probes.network import IpNetwork, Networks, permitted
from probes.probe import Batch, Columns, ProbeError, Question, Texts, Window
from probes.queues import QueueProbe, aged

DEAD_LETTERS = ("*.dlt", "*.DLT", "*-dlt", "*.dlq", "*.DLQ", "*-dlq", "*.dead")
# Topics that the broker keeps for itself begin like this.
_INTERNAL = "__"
# A record that a fast clock has dated ahead is looked for this far in the future.
_AHEAD_MS = 86_400_000
# What is heard of a connection that no waiting will mend.
_FINAL = {"_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED"}
Partition = tuple[str, int]


class KafkaLogin(FileModel):
    """SASL: who we are, by a mechanism that the brokers offer."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str
    password: SecretStr


class KafkaClient(FileModel):
    """Where the cluster is (`host:port`) and how we present ourselves. `networks`: private addresses of its brokers.

    With `tls` the connection is encrypted; `tls: {}` trusts the authorities of the system.
    """

    brokers: Columns
    login: KafkaLogin | None = None
    tls: Tls | None = None
    insecure: bool = False
    networks: Networks = ()

    @field_validator("brokers")
    @classmethod
    def _brokers_read(cls, brokers: tuple[str, ...]) -> tuple[str, ...]:
        for broker in brokers:
            _address(broker)
        return brokers

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.login and self.tls is None and not self.insecure:
            raise ValueError(
                "a password would cross the network in clear: write 'tls: {}', or insecure: true when a network of "
                "its own guards the way"
            )
        return self

    def settings(self, wait_ms: int) -> dict[str, Any]:
        """The client of the library as we want it."""
        secure, named = self.tls is not None, self.login is not None
        protocol = {(True, True): "SASL_SSL", (True, False): "SSL", (False, True): "SASL_PLAINTEXT"}
        found: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.brokers), "client.id": "tieout", "allow.auto.create.topics": False,
            "socket.timeout.ms": wait_ms, "security.protocol": protocol.get((secure, named), "PLAINTEXT"),
        }  # fmt: skip
        if self.login:
            found |= {
                "sasl.mechanism": self.login.mechanism, "sasl.username": self.login.username,
                "sasl.password": self.login.password.get_secret_value(),
            }  # fmt: skip
        names = {
            "ca_file": "ssl.ca.location",
            "cert_file": "ssl.certificate.location",
            "key_file": "ssl.key.location",
        }
        paths = {key: getattr(self.tls, name) for name, key in names.items() if self.tls}
        return found | {key: str(path) for key, path in paths.items() if path}


class KafkaProbe(QueueProbe):
    """Topics (`queues`) and, for each group of `groups`, how far it has read them.

    Without `groups` a record is a topic and `depth` what it holds. With them it is a group and a topic, and `depth`
    is the lag: what the group has not read. `per: partition` makes a record of each partition. `dead_letters` are
    patterns of topics that hold what failed, which Kafka itself does not know.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.brokers", "where the cluster is", "[kafka.example:9093]"),
        Question("queues", "its topics", "[orders, orders.dlt]"),
        Question(
            "groups",
            "groups of consumers whose lag counts; empty: what topics hold",
            "[erp-loader]",
            optional=True,
        ),
        Question(
            "client.tls",
            "where the port speaks TLS: {} or the file of its authority; empty: it does not",
            "{ca_file: ca.pem}",
            optional=True,
        ),
        Question(
            "client.login.mechanism", "how we log in; empty: not at all", "SCRAM-SHA-512", optional=True
        ),
        Question(
            "client.login.username", "a user with the right Describe; empty: none", "tieout", optional=True
        ),
        Question("client.login.password", "by reference; empty: none", "${KAFKA_PASSWORD}", optional=True),
    )
    more_columns: ClassVar[tuple[str, ...]] = (
        "topic", "group", "partition", "lag", "begin_offset", "committed_offset", "end_offset",
    )  # fmt: skip

    kind: Literal["kafka"]
    client: KafkaClient
    groups: Texts | None = None
    per: Literal["topic", "partition"] = "topic"
    dead_letters: tuple[str, ...] = Field(default=DEAD_LETTERS)

    @property
    def place(self) -> str:
        return f"kafka {','.join(self.client.brokers)}"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        return tuple(_address(broker) for broker in self.client.brokers)

    @property
    def networks(self) -> tuple[IpNetwork, ...]:
        return self.client.networks

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        placed, findings = super().located(file, parsed)
        if self.client.tls is None:
            return placed, findings
        tls, misplaced = self.client.tls.located(file, parsed)
        client = self.client.model_copy(update={"tls": tls})
        return placed.model_copy(update={"client": client}), [*findings, *misplaced]

    def read(self, window: Window) -> Generator[Batch]:
        self._judge(self.hosts, window)
        cluster = _Cluster(self, window)
        partitions = self._partitions(cluster, window)
        if self.groups:
            cluster.all_groups_there(self.groups)
            read = [one for group in self.groups for one in self._read_by(cluster, group, partitions)]
        else:
            # Nobody counts as having read them: all that a topic holds is waiting.
            read = cluster.standings("", dict.fromkeys(partitions, 0), {})
        yield from self.batches(self._record(one, window.end) for one in self._gathered(read))

    def _judge(self, hosts: Iterable[tuple[str, int]], window: Window) -> None:
        """The library resolves names itself, so that they cannot be pinned; where they lead to now is judged."""
        wait_s = min(self.timeouts.connect.total_seconds(), window.left())
        for host, port in hosts:
            permitted(host, port, (*self.client.networks, *window.networks), wait_s, self.place)

    def _partitions(self, cluster: _Cluster, window: Window) -> list[Partition]:
        """Those of the topics that are asked for. A cluster names its brokers itself, and they are judged too."""
        brokers, topics = cluster.described()
        self._judge(brokers, window)
        self.all_there(topics, "topic")
        wanted = [
            name
            for name in sorted(topics)
            if name in self.queues or (self.wants(name) and not name.startswith(_INTERNAL))
        ]
        return [(name, number) for name in wanted for number in topics[name]]

    def _read_by(self, cluster: _Cluster, group: str, partitions: list[Partition]) -> list[_Standing]:
        committed, members = cluster.committed(group, partitions), cluster.members(group)
        read = {at[0] for at in partitions if committed[at] is not None or members.get(at)}
        if not read:
            raise ProbeError(
                "no_group",
                f"{self.place}: group {group!r} reads none of the topics that are asked for; check queues and groups",
            )
        return cluster.standings(group, {at: committed[at] for at in partitions if at[0] in read}, members)

    def _gathered(self, read: list[_Standing]) -> Iterator[list[_Standing]]:
        """The partitions of one record."""
        records: dict[tuple[str, ...], list[_Standing]] = {}
        for one in read:
            own = (str(one.partition),) if self.per == "partition" else ()
            records.setdefault((one.group, one.topic, *own), []).append(one)
        yield from records.values()

    def _record(self, parts: list[_Standing], now: datetime) -> Mapping[str, Any]:
        first, single = parts[0], self.per == "partition"
        lag = _sum(one.lag for one in parts)
        oldest = [one.oldest_ms for one in parts if one.lag != 0]
        sent = min(ms for ms in oldest if ms is not None) if oldest and None not in oldest else None
        name = "/".join(filter(None, (first.group, first.topic, str(first.partition) if single else "")))
        return {
            "name": name, "topic": first.topic, "group": first.group or None, "partition": first.partition if single else None,
            "depth": lag, "ready": lag, "lag": lag if first.group else None,
            "consumers": len({member for one in parts for member in one.members}) if first.group else None,
            "dead_letter": any(fnmatchcase(first.topic, pattern) for pattern in self.dead_letters),
            "begin_offset": first.begin if single else None, "end_offset": first.end if single else None,
            "committed_offset": first.read_to if single and first.group else None,
        } | aged(datetime.fromtimestamp(sent / 1000, UTC) if sent is not None else None, now)  # fmt: skip


@dataclass(frozen=True)
class _Standing:
    """A partition and how far it was read: to the record before `read_to`; None: nobody knows."""

    group: str
    topic: str
    partition: int
    begin: int
    end: int
    read_to: int | None
    oldest_ms: int | None
    members: frozenset[str]

    @property
    def lag(self) -> int | None:
        if self.end == self.begin:
            return 0
        # What retention has deleted, nobody will read.
        return None if self.read_to is None else max(0, self.end - max(self.read_to, self.begin))


class _Cluster:
    """Questions to the brokers, in the terms of the probe."""

    def __init__(self, probe: KafkaProbe, window: Window) -> None:
        try:
            from confluent_kafka import admin
        except ImportError:
            raise ProbeError(
                "driver_missing", f"{probe.place} needs a package; pip install 'tieout[kafka]'"
            ) from None
        self._probe, self._window, self._kafka = probe, window, admin
        self._heard: list[Any] = []
        self._wait_s = min(probe.timeouts.connect.total_seconds(), window.left())
        silent = logging.getLogger("confluent_kafka")
        silent.setLevel(logging.CRITICAL)
        settings = probe.client.settings(int(probe.timeouts.read.total_seconds() * 1000))
        try:
            self._admin = admin.AdminClient({**settings, "error_cb": self._heard.append}, logger=silent)
        except Exception as error:
            raise self._told(error) from None

    def described(self) -> tuple[list[tuple[str, int]], dict[str, list[int]]]:
        """Brokers, and the partitions of each topic."""
        found = self._asked(self._first_answer)
        topics = {
            name: sorted(topic.partitions) for name, topic in found.topics.items() if topic.error is None
        }
        return [(broker.host, broker.port) for broker in found.brokers.values()], topics

    def _first_answer(self) -> Any:
        """Topics and brokers. A login or certificate that is refused need not be waited for to the end."""
        until = self._window.monotonic() + self._wait_s
        while True:
            left = until - self._window.monotonic()
            try:
                return self._admin.list_topics(timeout=max(0.1, min(1.0, left)))
            except self._kafka.KafkaException:
                self._admin.poll(0)
                if left <= 1.0 or _FINAL & {one.name() for one in self._heard}:
                    raise

    def all_groups_there(self, groups: Iterable[str]) -> None:
        """Raises ProbeError when a group does not exist."""
        found = self._asked(lambda: self._admin.list_consumer_groups(request_timeout=self._wait_s).result())
        there = [group.group_id for group in found.valid]
        for name in groups:
            if name not in there:
                near = nearest(name, there)
                hint = (
                    f"did you mean {near!r}?" if near else "check its name, and whether the user may see it"
                )
                raise ProbeError("no_group", f"{self._probe.place} has no group {name!r}; {hint}")

    def members(self, group: str) -> dict[Partition, frozenset[str]]:
        """Who reads each partition now."""
        asked = self._admin.describe_consumer_groups
        found = self._asked(lambda: asked([group], request_timeout=self._wait_s)[group].result())
        reads: dict[Partition, frozenset[str]] = {}
        for member in found.members:
            for at in member.assignment.topic_partitions if member.assignment else ():
                reads[at.topic, at.partition] = reads.get((at.topic, at.partition), frozenset()) | {
                    member.member_id
                }
        return reads

    def committed(self, group: str, partitions: list[Partition]) -> dict[Partition, int | None]:
        """The first offset that the group has not read; None where it has never committed one."""
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*at) for at in partitions])
        answer = self._admin.list_consumer_group_offsets
        found = self._asked(lambda: answer([asked], request_timeout=self._wait_s)[group].result())
        offsets = {
            (one.topic, one.partition): one.offset for one in found.topic_partitions if one.error is None
        }
        return {at: offsets[at] if offsets.get(at, -1) >= 0 else None for at in partitions}

    def offsets(self, asked: Mapping[Partition, str | int]) -> dict[Partition, tuple[int, int]]:
        """Offset and time (ms; negative: none) of `earliest`, `latest` or the first record from a time on."""
        from confluent_kafka import TopicPartition

        spec = self._kafka.OffsetSpec
        named = {"earliest": spec.earliest(), "latest": spec.latest()}
        wanted = {
            TopicPartition(*at): named[what] if isinstance(what, str) else spec.for_timestamp(what)
            for at, what in asked.items()
        }
        if not wanted:
            return {}
        ask = self._admin.list_offsets
        found = self._asked(
            lambda: {at: one.result() for at, one in ask(wanted, request_timeout=self._wait_s).items()}
        )
        return {(at.topic, at.partition): (one.offset, one.timestamp) for at, one in found.items()}

    def standings(
        self, group: str, read_to: Mapping[Partition, int | None], members: Mapping[Partition, frozenset[str]]
    ) -> list[_Standing]:
        """How far each partition was read. `members`: who reads it now."""
        begins = self.offsets(dict.fromkeys(read_to, "earliest"))
        ends = self.offsets(dict.fromkeys(read_to, "latest"))
        found = [
            _Standing(group, *at, begins[at][0], ends[at][0], to, None, members.get(at, frozenset()))
            for at, to in read_to.items()
        ]
        behind = {
            (one.topic, one.partition): one.read_to for one in found if one.lag and one.read_to is not None
        }
        sent = self._sent(behind)
        return [
            _Standing(**{**vars(one), "oldest_ms": sent.get((one.topic, one.partition))}) for one in found
        ]

    def _sent(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """When the first record at or behind each position was sent (ms), without fetching it.

        The broker tells the first record from a time on; halving finds the time that leads to the position.
        Records whose times are out of order make it later, never earlier.
        """
        limit = int(self._window.moment().timestamp() * 1000) + _AHEAD_MS
        spans = dict.fromkeys(positions, (0, limit))
        middles = dict.fromkeys(positions, 0)
        sent: dict[Partition, int] = {}
        while middles:
            for at, (offset, time) in self.offsets(middles).items():
                low, high = spans[at]
                if offset < 0 or offset >= positions[at]:
                    high = middles[at]
                    if offset >= 0 and time >= 0:
                        sent[at] = time
                else:
                    low = max(time, middles[at]) + 1
                spans[at] = (high, high) if offset == positions[at] else (low, high)
            middles = {at: (low + high) // 2 for at, (low, high) in spans.items() if low < high}
        return sent

    def _asked(self, ask: Any) -> Any:
        self._window.turn()
        self._window.check(self._probe.place)
        try:
            return ask()
        except Exception as error:
            self._admin.poll(0)
            raise self._told(error) from None

    def _told(self, error: Exception) -> ProbeError:
        """What an error means. A broken connection is a time-out here; why it broke was heard beside it."""
        place = self._probe.place
        found = [error.args[0] if error.args else None, *self._heard]
        codes = {one.name() for one in found if hasattr(one, "name")}
        if codes & {"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"}:
            return ProbeError(
                "auth_failed", f"{place} refuses the login; check client.login and its mechanism"
            )
        refused = sorted(code for code in codes if code.endswith("_AUTHORIZATION_FAILED"))
        if refused:
            may = "the user needs the right Describe on topics, groups and cluster"
            return ProbeError("auth_failed", f"{place} refuses us ({refused[0]}); {may}")
        if "_SSL" in codes:
            return ProbeError(
                "tls_refused",
                f"{place}: the certificate is not trusted, or one side speaks TLS and the other does not; name the "
                "authority in client.tls.ca_file",
            )
        if "_INVALID_ARG" in codes:
            return ProbeError("bad_certificate", f"{place}: a file of client.tls cannot be used; check it")
        if codes & {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE"}:
            return ProbeError(
                "unreachable",
                f"{place} does not answer; check brokers, firewall, and whether client.tls fits the port",
                retryable=True,
            )
        code = ", ".join(sorted(codes)) or type(error).__name__
        return ProbeError("source_error", f"{place} answered with {code}; it is tried again", retryable=True)


def _sum(numbers: Iterable[int | None]) -> int | None:
    found = list(numbers)
    return None if None in found else sum(number for number in found if number is not None)


def _address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("a broker is written like kafka.example:9093")
    return host.strip("[]"), int(port)
