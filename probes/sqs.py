"""Queues of Amazon SQS, by their attributes; the age of the oldest message comes from CloudWatch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Generator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from core.findings import Finding
from core.yamlfile import Parsed
from probes import aws
from probes.network import IpNetwork, Networks
from probes.probe import Batch, ProbeError, Question, Window
from probes.queues import QueueProbe, aged

# CloudWatch takes so many questions at once (GetMetricData), and is a few minutes late.
_METRICS = 500
_LOOKED_BACK = timedelta(minutes=15)
_ATTRIBUTES = {
    "ready": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


class SqsClient(aws.Access):
    """Region, keys, and an `endpoint` where the service is not Amazon's own. `networks`: private addresses of it."""

    networks: Networks = ()


class SqsProbe(QueueProbe):
    """Queues of one account and region, all figures approximate as SQS gives them.

    `depth` is `ready`, `in_flight` and `delayed` (not yet to be seen) together. `oldest_age: false` asks no
    CloudWatch, and leaves the age unknown. `dead_letter` is true for a queue that the redrive policy of another
    names, as far as the probe may see that one.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.region", "region of the queues", "us-east-1"),
        Question("client.access_key", "by reference", "${AWS_ACCESS_KEY_ID}"),
        Question("client.secret_key", "by reference", "${AWS_SECRET_ACCESS_KEY}"),
    )
    more_columns: ClassVar[tuple[str, ...]] = ("delayed", "max_receives")

    kind: Literal["sqs"]
    client: SqsClient
    oldest_age: bool = True

    @property
    def place(self) -> str:
        return f"sqs {self.client.endpoint or self.client.region}"

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        own = self.client.host("sqs")
        metrics = self.client.host("monitoring")
        return tuple(dict.fromkeys((own, metrics) if self.oldest_age else (own,)))

    @property
    def networks(self) -> tuple[IpNetwork, ...]:
        return self.client.networks

    def located(self, file: Path, parsed: Parsed) -> tuple[Self, list[Finding]]:
        placed, findings = super().located(file, parsed)
        tls, misplaced = self.client.located_tls(file, parsed, ("client", "tls", "ca_file"))
        client = self.client.model_copy(update={"tls": tls})
        return placed.model_copy(update={"client": client}), [*findings, *misplaced]

    def read(self, window: Window) -> Generator[Batch]:
        try:
            from fsspec.asyn import get_loop, sync

            from probes import aws_guard
        except ImportError:
            raise aws.needs_packages(self.place) from None
        allowed = (*self.client.networks, *window.networks)
        addresses = aws.pinned(self.hosts, allowed, window, self.timeouts, self.place)
        asking = _Asking(self, window, self.client.config(addresses, self.timeouts))
        yield from self.batches(sync(get_loop(), asking.queues, aws_guard.session()))


@dataclass(frozen=True)
class _Asking:
    """One run's questions to SQS and CloudWatch."""

    probe: SqsProbe
    window: Window
    settings: dict[str, Any]

    async def queues(self, session: Any) -> list[Mapping[str, Any]]:
        """The queues that are asked for, as records."""
        from aiobotocore.config import AioConfig

        probe = self.probe
        made = {
            "config": AioConfig(**self.settings),
            "region_name": probe.client.region,
            "verify": probe.client.verify,
        }
        async with AsyncExitStack() as stack:
            sqs = await stack.enter_async_context(
                session.create_client("sqs", **made, **probe.client.client())
            )
            urls = await self._urls(sqs)
            probe.all_there(urls)
            said = {name: await self._attributes(sqs, url) for name, url in urls.items()}
            wanted = [name for name in urls if probe.wants(name)]
            sent: dict[str, datetime] = {}
            if probe.oldest_age:
                watch = await stack.enter_async_context(
                    session.create_client("cloudwatch", **made, **probe.client.client())
                )
                sent = await self._sent(watch, wanted)
        targets = {name: _target(found) for name, found in said.items()}
        return [self._record(name, said[name], targets, sent.get(name)) for name in wanted]

    def _record(
        self,
        name: str,
        said: Mapping[str, str],
        targets: Mapping[str, tuple[str, int | None]],
        sent: datetime | None,
    ) -> Mapping[str, Any]:
        counts = {column: int(said[key]) for column, key in _ATTRIBUTES.items() if key in said}
        depth = sum(counts.values()) if len(counts) == len(_ATTRIBUTES) else None
        target, most = targets[name]
        # Only of queues in sight can it be said that none sends its dead letters here.
        arn = said.get("QueueArn", "")
        return {
            "name": name, "depth": depth, **counts,
            "dead_letter": arn in {to for to, _ in targets.values()} if arn else None,
            "dead_letter_to": target.rpartition(":")[2] or None, "max_receives": most,
        } | aged(sent if depth else None, self.window.end)  # fmt: skip

    async def _urls(self, sqs: Any) -> dict[str, str]:
        """Addresses of all queues by name, page by page."""
        urls: dict[str, str] = {}
        after: dict[str, str] = {}
        while True:
            page = await self._asked(sqs.list_queues(MaxResults=1000, **after))
            urls |= {url.rpartition("/")[2]: url for url in page.get("QueueUrls", ())}
            if not page.get("NextToken"):
                return dict(sorted(urls.items()))
            after = {"NextToken": page["NextToken"]}

    async def _attributes(self, sqs: Any, url: str) -> dict[str, str]:
        answer = await self._asked(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
        found: dict[str, str] = answer.get("Attributes", {})
        return found

    async def _sent(self, watch: Any, names: list[str]) -> dict[str, datetime]:
        """When the oldest message of each queue was sent, by the newest figure CloudWatch has of it."""
        sent: dict[str, datetime] = {}
        for start in range(0, len(names), _METRICS):
            some = names[start : start + _METRICS]
            wanted = [_age_of(number, name) for number, name in enumerate(some)]
            span = {"StartTime": self.window.end - _LOOKED_BACK, "EndTime": self.window.end}
            answer = await self._asked(watch.get_metric_data(MetricDataQueries=wanted, **span))
            for found in answer.get("MetricDataResults", ()):
                if found["Values"]:
                    at, age = max(zip(found["Timestamps"], found["Values"], strict=True))
                    sent[some[int(found["Id"][1:])]] = at - timedelta(seconds=age)
        return sent

    async def _asked(self, answer: Coroutine[Any, Any, Any]) -> Any:
        try:
            # Others ask in the same loop, and must not wait for our turn.
            await asyncio.to_thread(self.window.turn)
            self.window.check(self.probe.place)
            return await answer
        except ProbeError:
            answer.close()
            raise
        except Exception as error:
            raise aws.told(error, self.probe.place) from None


def _age_of(number: int, name: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}


def _target(said: Mapping[str, str]) -> tuple[str, int | None]:
    """The queue that messages go to which were received too often, and how often that is."""
    try:
        policy = json.loads(said.get("RedrivePolicy", "{}"))
        return str(policy.get("deadLetterTargetArn", "")), int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", None
