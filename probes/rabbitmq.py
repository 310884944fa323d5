"""Queues of RabbitMQ, as its management interface tells of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import httpx
from pydantic import Field

from probes.http import Session
from probes.paged import PagedProbe, Reading
from probes.paging import Ask, NumberedPages, find, whole_number
from probes.probe import Batch, ProbeError, Question, Window
from probes.queues import QueueProbe, aged


class RabbitmqProbe(QueueProbe, PagedProbe):
    """The queues of one virtual host, read with `GET` by a user with the tag `monitoring`.

    `depth` is `ready` (waiting) and `in_flight` (delivered, not acknowledged). `oldest_at` is the time its sender
    put on the first message that is not acknowledged; without such a time it is unknown. `dead_letter` is true for a queue that
    others send rejected or expired messages to, `dead_letter_to` names where a queue sends them.
    """

    questions: ClassVar[tuple[Question, ...]] = (
        Question("client.base_url", "where the management interface is", "https://rabbit.example:15671"),
        Question("client.auth.type", "how we log in", "basic"),
        Question("client.auth.username", "a user with the tag monitoring", "tieout"),
        Question("client.auth.password", "by reference", "${RABBITMQ_PASSWORD}"),
        Question("queues", "which queues; empty: all", "[orders, orders.dead]", optional=True),
    )
    more_columns: ClassVar[tuple[str, ...]] = ("vhost", "type", "state", "durable")

    kind: Literal["rabbitmq"]
    vhost: str = "/"
    page_size: int = Field(default=500, ge=1, le=500)

    @property
    def path(self) -> str:
        return f"api/queues/{quote(self.vhost, safe='')}"

    def read(self, window: Window) -> Generator[Batch]:
        pages = NumberedPages(type="page_number", total_path="page_count", page_size=self.page_size)
        reading = Reading({"sort": "name", "pagination": "true"}, pages, "items", explain=_no_vhost)
        with self.session(window, reading) as session:
            found = [queue for page in self.pages(session, reading, "") for queue in page.records]
            self.all_there(str(queue.get("name")) for queue in found)
            targets = self._targets(session, found)
        dead = {name for names in targets.values() for name in names}
        wanted = [
            self._queue(queue, targets.get(str(queue["name"]), []), dead, window.end)
            for queue in found
            if self.wants(str(queue["name"]))
        ]
        for batch in self.batches(wanted):
            yield replace(batch, source_time=session.source_time)

    def _queue(self, queue: Any, targets: list[str], dead: set[str], now: datetime) -> Mapping[str, Any]:
        # Of a quorum queue that has just begun, and of one whose node is down, the figures are not there.
        sent = whole_number(queue, "head_message_timestamp")
        return {
            "name": queue["name"], "depth": whole_number(queue, "messages"), "ready": whole_number(queue, "messages_ready"),
            "in_flight": whole_number(queue, "messages_unacknowledged"), "consumers": whole_number(queue, "consumers"),
            "dead_letter": queue["name"] in dead, "dead_letter_to": ",".join(targets) or None,
            "vhost": queue.get("vhost"), "type": queue.get("type"), "state": queue.get("state"), "durable": queue.get("durable"),
        } | aged(datetime.fromtimestamp(sent, UTC) if sent else None, now)  # fmt: skip

    def _targets(self, session: Session, queues: list[Any]) -> dict[str, list[str]]:
        """By queue, the queues its dead letters go to. Each exchange is asked once for what is bound to it."""
        bound: dict[str, list[Any]] = {}
        targets = {}
        for queue in queues:
            exchange, key = _dead_letters(queue)
            if exchange is None:
                continue
            if exchange not in bound:
                bound[exchange] = self._bound(session, exchange) if exchange else []
            # The exchange without a name delivers to the queue that the key names.
            found = _reached(bound[exchange], key) if exchange else [key] if key else []
            targets[str(queue["name"])] = found
        return targets

    def _bound(self, session: Session, exchange: str) -> list[Any]:
        base = httpx.URL(self.client.base_url).path.rstrip("/")
        names = "/".join(quote(name, safe="") for name in (self.vhost, exchange))
        try:
            answer = session.page(Ask({}, f"{base}/api/exchanges/{names}/bindings/source"), 1)
        except ProbeError as error:
            # It is named and was never made: what is sent there is lost.
            if error.code == "not_found":
                return []
            raise
        return answer.body if isinstance(answer.body, list) else []


def _dead_letters(queue: Any) -> tuple[str | None, str]:
    """Exchange (None: none) and routing key of its dead letters, from its arguments or its policy."""
    said = (queue.get("arguments") or {}, queue.get("effective_policy_definition") or {})
    exchange = said[0].get("x-dead-letter-exchange", said[1].get("dead-letter-exchange"))
    key = said[0].get("x-dead-letter-routing-key", said[1].get("dead-letter-routing-key", ""))
    return exchange, str(key)


def _reached(bindings: list[Any], key: str) -> list[str]:
    """Queues bound by exactly the key, else all: which patterns match a key, the exchange alone knows."""
    queues = [bound for bound in bindings if bound.get("destination_type") == "queue"]
    exact = [bound for bound in queues if key and bound.get("routing_key") == key]
    return sorted({str(bound["destination"]) for bound in exact or queues})


def _no_vhost(body: Any) -> str:
    return "there is no such vhost" if find(body, "error") == "Object Not Found" else ""
