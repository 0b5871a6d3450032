"""HTTP clients for users' addresses, and the one-request call that most need."""

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import httpx
from django.conf import settings

from agents.outgoing.addresses import Resolver, allow_list, resolve
from agents.outgoing.errors import OutgoingError
from agents.outgoing.transport import GuardedTransport, Limits

_USER_AGENT = "OpenGPTs"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. `content_type` is without parameters, in lower case."""

    status: int
    content_type: str
    body: bytes
    text: str

    @property
    def ok(self) -> bool:
        """Whether the status says that it went well."""
        return 200 <= self.status < 300

    @property
    def is_json(self) -> bool:
        """Whether the body should be JSON."""
        return self.content_type == "application/json" or self.content_type.endswith("+json")


def open_client(
    *,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    also_allowed: Iterable[str] = (),
    on_failure: Callable[[str, OutgoingError], None] | None = None,
    resolve: Resolver = resolve,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """A client whose every request goes through the guard. Use it in one event loop, with `async with`.

    It takes nothing from the environment but certificates: no proxies, no netrc. `also_allowed` adds to the setting
    OUTGOING_ALLOW what another setting of this server names. Requests raise `OutgoingError`.
    """
    transport = GuardedTransport(
        limits or Limits(),
        allow_list((*settings.OUTGOING_ALLOW, *also_allowed)),
        resolve=resolve,
        tls=tls,
        on_failure=on_failure,
    )
    # The transport has limits of its own, for the whole, and follows redirects itself.
    return httpx.AsyncClient(  # nosec B113  # the transport has limits of its own
        transport=transport,
        headers={"user-agent": _USER_AGENT, **(headers or {})},
        timeout=None,
        follow_redirects=False,
        trust_env=False,
    )


async def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    limits: Limits | None = None,
    also_allowed: Iterable[str] = (),
) -> Answer:
    """Makes one request and reads the answer, whatever its status. Raises `OutgoingError`."""
    async with open_client(limits=limits, also_allowed=also_allowed) as client:
        try:
            response = await client.request(method, url, headers=headers, content=content)
        except (httpx.InvalidURL, UnicodeError):
            raise OutgoingError("The address is none that can be called.") from None
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, content_type, response.content, response.text)
