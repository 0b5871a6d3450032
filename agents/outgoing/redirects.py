"""Where a redirect leads, and what of the request may go there.

- The same origin gets the request again, headers included.
- Another origin gets a GET or HEAD with no headers but those that describe the answer: no credentials. A request
  that changes something does not go there at all.
- A redirect never leaves TLS, and never turns a request that changes something into one that does not, but for 303,
  which means that.
"""

import httpx

from agents.outgoing.errors import OutgoingError
from agents.outgoing.urls import check_parts

_STATUSES = {301, 302, 303, 307, 308}
_READING = {"GET", "HEAD"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CARRIED = ("accept", "accept-encoding", "user-agent")


def redirected(request: httpx.Request, response: httpx.Response) -> httpx.Request | None:
    """The request that follows `response`, an answer to `request`; None where it is no redirect.

    Raises `OutgoingError` for a redirect that is not followed.
    """
    location = response.headers.get("location")
    if response.status_code not in _STATUSES or not location:
        return None
    url = _target(request, location)
    reading = request.method in _READING
    if response.status_code == 303 and not reading:
        return httpx.Request("GET", url, headers=_carried(request), extensions=request.extensions)
    same = origin(url) == origin(request.url)
    if not reading and (not same or response.status_code in (301, 302)):
        raise OutgoingError(f"{place(request.url)} redirects elsewhere. Give the address that it redirects to.")
    headers = request.headers.copy() if same else httpx.Headers(_carried(request))
    headers["host"] = url.netloc.decode()
    return httpx.Request(
        request.method, url, headers=headers, stream=None if reading else request.stream, extensions=request.extensions
    )


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Who answers for `url`: scheme, host and port."""
    return url.scheme, url.host.rstrip("."), url.port or _DEFAULT_PORTS.get(url.scheme)


def place(url: httpx.URL) -> str:
    """The host, with its port where it is not the scheme's own, for messages."""
    return url.netloc.decode("ascii")


def _target(request: httpx.Request, location: str) -> httpx.URL:
    try:
        url = request.url.join(location)
        check_parts(url.scheme, url.raw_host.decode(), url.port, userinfo=bool(url.userinfo))
    except (ValueError, httpx.InvalidURL):
        raise OutgoingError(f"{place(request.url)} redirects to what is no web address.") from None
    if request.url.scheme == "https" and url.scheme == "http":
        raise OutgoingError(f"{place(request.url)} redirects from https to http.")
    return url


def _carried(request: httpx.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _CARRIED if name in request.headers}
