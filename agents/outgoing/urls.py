"""What an address and a header may look like. Nothing is resolved here; importing this imports no HTTP client."""

import re
from urllib.parse import parse_qsl, urlsplit

_HOST = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,252}|[0-9a-f:.]{2,45}", re.IGNORECASE)
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# What the connection itself needs. A configured one could smuggle a second request past a proxy.
_RESERVED_HEADERS = {
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def check_parts(scheme: str, host: str, port: int | None, *, userinfo: bool) -> None:
    """Raises ValueError, with the end of a sentence that begins with the address, unless this can be called at all."""
    if scheme not in ("http", "https"):
        raise ValueError("should begin with http:// or https://")
    if userinfo:
        raise ValueError("should have no user name or password in it: use headers")
    if not host or (host.isascii() and not _HOST.fullmatch(host)):
        raise ValueError("should name a host")
    if port is not None and not 0 < port < 65536:
        raise ValueError("should have a port between 1 and 65535")


def check_url(url: str) -> str:
    """`url` as it is. Raises ValueError as `check_parts` does for what is no address of a web server."""
    if _ODD.search(url):
        raise ValueError("should have no spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("should be an address like https://example.org/path") from None
    check_parts(parts.scheme, parts.hostname or "", port, userinfo="@" in parts.netloc)
    return url


def check_header_name(name: str) -> str:
    """`name` as it is. Raises ValueError for what is no header's name, or for one that may not be set."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header's name has letters, digits and hyphens")
    if name.lower() in _RESERVED_HEADERS:
        raise ValueError(f"the header {name} cannot be set")
    return name


def check_header_value(value: str) -> str:
    """`value` as it is. Raises ValueError for what cannot stand in a header; the message does not repeat it."""
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("a header's value has no line breaks, control characters or characters beyond Latin-1")
    return value


def host_of(url: str) -> str:
    """The host of `url`, with its port where one is given, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2][:255]


def origin_of(url: str) -> str:
    """Whom a request to `url` reaches: scheme, host and port. What is no address that can be read stands for itself."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else url


def base_of(url: str) -> str:
    """`url` without query and fragment, and without a slash at its end."""
    return urlsplit(url)._replace(query="", fragment="").geturl().rstrip("/")


def secrets_in(url: str) -> list[str]:
    """The values in the query of `url`: some services want their keys there."""
    return [value for _, value in parse_qsl(urlsplit(url).query)]
