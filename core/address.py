"""Addresses to listen at: `host:port`, and whether other machines could come in."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _address(text: str) -> str:
    if (
        not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}", text)
        or int(text.rsplit(":", 1)[1]) > 65535
    ):
        raise ValueError("an address is written like 127.0.0.1:4318")
    return text


Address = Annotated[str, AfterValidator(_address)]


def reachable(address: str) -> bool:
    """Whether other machines could reach what listens there."""
    return address.rsplit(":", 1)[0] not in LOOPBACK
