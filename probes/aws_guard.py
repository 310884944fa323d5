"""Clients of Amazon's library that talk to the addresses that were judged, and to no others. Needs tieout[aws]."""

from __future__ import annotations

import functools
import logging
import socket
from collections.abc import Mapping

from aiobotocore.session import AioSession
from aiohttp.abc import AbstractResolver, ResolveResult

# Below this they tell whole requests, with what stands in their headers.
for name in ("botocore", "aiobotocore", "s3fs"):
    logging.getLogger(name).setLevel(logging.INFO)


@functools.cache
def session() -> AioSession:
    """What clients are made from; it has read the descriptions of the services, which takes a while."""
    return AioSession()


class Guard(AbstractResolver):
    """Gives the addresses that were found allowed when the run began. A redirect to another host finds none."""

    def __init__(self, addresses: Mapping[str, list[str]]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - all of them were judged
    ) -> list[ResolveResult]:
        if host not in self._addresses:
            raise OSError(f"{host} is not a host of this probe")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in self._addresses[host]
        ]  # fmt: skip

    async def close(self) -> None:
        """It holds nothing open."""
