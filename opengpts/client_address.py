"""Where a request comes from: an address that whoever sends it cannot choose."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

# An IPv6 network of this size is one customer's, who has all of its addresses.
_IPV6_NETWORK = 64


def address_of_request(request: HttpRequest) -> str:
    """The client's address; for IPv6 its network. Empty where it is not known (a Unix socket, say)."""
    return _address(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """The same for an ASGI connection."""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _address((scope.get("client") or ("",))[0], ",".join(forwarded))


def _address(peer: str, forwarded: str) -> str:
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    # What stands before the entries of our own proxies is what the client has sent: anything.
    if settings.NUM_PROXIES and hops:
        peer = hops[-min(settings.NUM_PROXIES, len(hops))]
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), _IPV6_NETWORK), strict=False))
    return str(address)
