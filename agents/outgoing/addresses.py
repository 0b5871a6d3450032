"""Which addresses this server may call for a user: public ones, and those that the setting OUTGOING_ALLOW names."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from agents.outgoing.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# The addresses, as text, of a host and a port. Raises OSError where there is none.
Resolver = Callable[[str, int], Awaitable[list[str]]]

# IANA's registries of special addresses, written out: `ipaddress.is_global` says yes to multicast, and differs
# between Python versions.
_SPECIAL_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata, a public address
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# All that is public lies in the first; the rest of it that is not, or that carries an IPv4 address in a tunnel.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments; Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
# How hosts without IPv4 reach IPv4: the last 32 bits are an IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")

_WEB_PORTS = (80, 443)
_FIRST_FREE_PORT = 1024

_ENTRY = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+|[^\[\]]*:[^\[\]]*:[^\[\]]*?)(?::(?P<port>\d+))?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name or a network, and the one port of it that may be called; None for every usual port."""

    name: str | None
    network: Network | None
    port: int | None

    def covers(self, host: str, address: Address, port: int) -> bool:
        there = host == self.name or (self.network is not None and address in self.network)
        return there and (usual_port(port) if self.port is None else port == self.port)


@dataclass(frozen=True, slots=True)
class AllowList:
    """What may be called although it is not public."""

    entries: tuple[_Entry, ...] = ()

    def covers(self, host: str, address: Address, port: int) -> bool:
        """Whether `address`, found for `host`, may be called at `port`."""
        return any(entry.covers(host, address, port) for entry in self.entries)

    def has_port(self, port: int) -> bool:
        """Whether some entry names `port`."""
        return any(entry.port == port for entry in self.entries)


@lru_cache(maxsize=32)
def allow_list(entries: tuple[str, ...]) -> AllowList:
    """Reads OUTGOING_ALLOW: names, `name:port`, addresses, `address:port`, or networks like 10.0.0.0/8.

    An IPv6 address with a port is written `[::1]:8000`. Raises ValueError for an entry that is none of these.
    """
    return AllowList(tuple(_entry(text.strip().lower()) for text in entries if text.strip()))


def _entry(text: str) -> _Entry:
    match = _ENTRY.fullmatch(text)
    host = match["host"].strip("[]") if match else ""
    # What has colons and no brackets is an IPv6 address from end to end.
    whole = host.count(":") > 1 and not text.startswith("[")
    port = int(match["port"]) if match and match["port"] and not whole else None
    try:
        return _Entry(None, ip_network(text if whole else host, strict=False), port)
    except ValueError:
        name = host.rstrip(".")
        if not _NAME.fullmatch(name) or (port is not None and not 0 < port < 65536):
            raise ValueError(
                f"OUTGOING_ALLOW: {text!r} is no host name, host:port, address or network (10.0.0.0/8)."
            ) from None
        return _Entry(name, None, port)


def is_public(address: Address) -> bool:
    """Whether `address` is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    inner = address.ipv4_mapped
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)


def usual_port(port: int) -> bool:
    """Whether a web server may be expected there. Mail, SSH and their like have their ports below 1024."""
    return port in _WEB_PORTS or port >= _FIRST_FREE_PORT


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that this machine's resolver has for `host`, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def callable_addresses(host: str, port: int, *, allowed: AllowList, resolve: Resolver) -> list[str]:
    """The addresses to connect to for `host`. Connect to these: to resolve it again could give others.

    Raises `AddressRefused` if any of them may not be called. An unknown host gets the same message, so that nobody
    learns from it which names there are in this server's network.
    """
    if not usual_port(port) and not allowed.has_port(port):
        raise AddressRefused(f"Port {port} cannot be called: OUTGOING_ALLOW of this server does not name it.")
    name = host.lower().rstrip(".")
    try:
        found = [_plain(ip_address(text)) for text in await resolve(host, port)]
    except (OSError, ValueError):  # UnicodeError, for a name that cannot be one, is a ValueError
        found = []
    if not found or not all(_may_be_called(name, address, port, allowed) for address in found):
        raise AddressRefused(
            f"{host} cannot be called: it has no public internet address, and OUTGOING_ALLOW of this server does not "
            "name it."
        )
    return [str(address) for address in found]


def check_setting(entries: Iterable[str]) -> None:
    """Raises ValueError if OUTGOING_ALLOW cannot be read."""
    allow_list(tuple(entries))


def _may_be_called(name: str, address: Address, port: int, allowed: AllowList) -> bool:
    return (is_public(address) and usual_port(port)) or allowed.covers(name, address, port)


def _plain(address: Address) -> Address:
    """An IPv4 address as such, however it was written."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
