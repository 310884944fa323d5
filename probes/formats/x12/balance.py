"""The sums of a remittance (835) agree, by the balancing rules of the implementation guide 005010X221, 1.10.2.

Payment: BPR02 is the sum of CLP04 less the provider adjustments (PLB04, 06, 08 …). Claim: CLP03 less every
adjustment in the claim is CLP04. Service: SVC02 less its own adjustments is SVC03.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from probes.formats.x12.columns import amount
from probes.formats.x12.segments import Segment
from probes.probe import BadLine

# A predetermination pays nothing yet (CLP02).
_PREDETERMINED = "25"


class Remittance:
    """Follows the segments of one 835."""

    def __init__(self) -> None:
        self._payment: Segment | None = None
        self._claim: Segment | None = None
        self._service: Segment | None = None
        self._paid = self._provider = self._claimed = self._served = Decimal(0)
        self._unreadable = False

    def take(self, segment: Segment) -> Iterator[BadLine]:
        """What does not balance in the claim or service that this segment ends."""
        name = segment.name
        if name in ("CLP", "LX", "PLB", "SE"):
            yield from self._end_service()
            yield from self._end_claim()
        if name == "BPR":
            self._payment = segment
        elif name == "CLP":
            self._claim, self._claimed = segment, Decimal(0)
            self._paid += self._read(segment, 4)
        elif name == "SVC":
            yield from self._end_service()
            self._service, self._served = segment, Decimal(0)
        elif name == "CAS":
            adjusted = sum((self._read(segment, at) for at in range(3, 19, 3)), Decimal(0))
            self._claimed += adjusted
            self._served += adjusted
        elif name == "PLB":
            self._provider += sum((self._read(segment, at) for at in range(4, 15, 2)), Decimal(0))
        elif name == "SE" and self._payment:
            yield from self._end_payment(self._payment)

    def _end_payment(self, payment: Segment) -> Iterator[BadLine]:
        if self._read(payment, 2) != self._paid - self._provider:
            yield BadLine(payment.number, "BPR02 is not the sum of CLP04 less the sum of PLB", "not_whole")
        if self._unreadable:
            yield BadLine(payment.number, "an amount of this remittance is not a number", "not_whole")

    def _end_claim(self) -> Iterator[BadLine]:
        claim, self._claim = self._claim, None
        if claim is None or claim.element(2) == _PREDETERMINED:
            return
        if self._read(claim, 3) - self._claimed != self._read(claim, 4):
            yield BadLine(claim.number, "CLP03 less the claim's adjustments is not CLP04", "not_whole")

    def _end_service(self) -> Iterator[BadLine]:
        service, self._service = self._service, None
        if service and self._read(service, 2) - self._served != self._read(service, 3):
            yield BadLine(service.number, "SVC02 less the service's adjustments is not SVC03", "not_whole")

    def _read(self, segment: Segment, at: int) -> Decimal:
        text = segment.element(at)
        found = amount(text) if text else Decimal(0)
        self._unreadable = self._unreadable or found is None
        return found if found is not None else Decimal(0)
