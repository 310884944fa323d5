"""Which addresses a probe may reach, and the one address it then talks to.

A name is resolved once a run, every address it has must be allowed, and the connection goes to that very address:
a name service that answers differently a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from probes.probe import ProbeError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# The address under which clouds hand out a machine's own credentials, where it is not link-local.
_METADATA = {ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")}
# Prefixes in which an IPv6 address carries an IPv4 one: NAT64 and 6to4.
_NAT64, _SIX_TO_FOUR = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16")


def _networks(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError("a list of networks such as [10.20.0.0/16, 127.0.0.1]")
    try:
        return tuple(
            item if isinstance(item, IpNetwork) else ipaddress.ip_network(str(item)) for item in value
        )
    except ValueError:
        raise ValueError("a network is written like 10.20.0.0/16 or fd12:3456::/32") from None


Networks = Annotated[
    tuple[IpNetwork, ...],
    BeforeValidator(_networks, json_schema_input_type=list[str]),
    PlainSerializer(lambda value: [str(item) for item in value], return_type=list[str]),
]


def resolve(host: str, port: int, wait_s: float, place: str) -> list[str]:
    """The addresses of `host`, in the order to try them. Raises ProbeError, also when it takes too long."""
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append(str(address[0]))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # The name service has no time-out of its own that we could set.
    thread = threading.Thread(target=ask, daemon=True, name="resolve")
    thread.start()
    thread.join(wait_s)
    if thread.is_alive() or not found:
        why = "was not answered in time" if thread.is_alive() else "is not known"
        raise ProbeError(
            "name_unknown",
            f"{place}: the name {host} {why}; check its spelling and the name service of this machine",
            retryable=True,
        )
    return list(dict.fromkeys(found))


def permitted(host: str, port: int, allowed: Iterable[IpNetwork], wait_s: float, place: str) -> list[str]:
    """The addresses of `host`, all of them allowed. Raises ProbeError with what to do.

    Public addresses are. Private ones and this machine are when a network of `allowed` has them, or when
    `host` is that very address: then the person who wrote it meant it. Link-local addresses, those of cloud
    metadata and multicast never are.
    """
    networks = tuple(allowed)
    addresses = resolve(host, port, wait_s, place)
    for text in addresses:
        address = embedded(text)
        if forbidden(address):
            raise ProbeError(
                "forbidden_address",
                f"{place}: {host} is a link-local, metadata or multicast address; check its name service",
            )
        if not (public(address) or spelt(host, text) or _within(address, networks)):
            raise ProbeError(
                "private_address",
                f"{place}: {host} is at {text}, a private address; if that is right, write "
                f"networks: [{text}] beside the host, or under systems of tieout.yaml",
            )
    return addresses


def spelt(host: str, address: str) -> bool:
    """Whether `host` is that address itself and no name."""
    try:
        return ipaddress.ip_address(host.strip("[]")) == ipaddress.ip_address(address)
    except ValueError:
        return False


def this_machine(host: str) -> bool:
    """Whether `host` says that it is this machine; a name that merely leads here does not."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def embedded(text: str) -> IpAddress:
    """The address, or the IPv4 address that an IPv6 one carries and would be forwarded to."""
    address = ipaddress.ip_address(text.split("%", 1)[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def forbidden(address: IpAddress) -> bool:
    """Whether it is one no business system lives at: link-local, cloud metadata, multicast, none."""
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def public(address: IpAddress) -> bool:
    return address.is_global


def _within(address: IpAddress, networks: tuple[IpNetwork, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
