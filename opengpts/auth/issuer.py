"""An OpenID Connect issuer: its metadata and its keys, asked for seldom, and kept while it cannot be reached."""

import json
import logging
import math
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from jwt import PyJWK

from opengpts.auth.jwks import KeySet, UnknownKey
from opengpts.errors import IdentityUnavailable
from opengpts.outage import Outage

logger = logging.getLogger(__name__)

METADATA = "/.well-known/openid-configuration"
# Bytes of an answer. Metadata and keys of the large providers are some kilobytes.
MAX_ANSWER = 512 * 1024
# Seconds that who sends a token of an unknown key waits for another thread that asks about one. Such tokens are cheap.
PATIENCE = 1.0
# What issuers sign with that do not say it, as OpenID Connect has it.
DEFAULT_ALGORITHMS = ["RS256"]


class IssuerFailed(Exception):
    """The issuer could not be asked, or what it answered is no good."""


class Issuer:
    """What is known of an issuer. Any thread may ask, and one at a time asks the issuer.

    Its keys are asked for when they are first needed, every JWT_KEYS_REFRESH seconds, and when a token names one that
    is not known; but never within JWT_KEYS_RETRY seconds of the last time, so that nobody can have the issuer asked by
    sending tokens. While the issuer cannot be reached, what is known counts for JWT_KEYS_MAX_AGE seconds.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = -math.inf
        # Held while the issuer is asked.
        self._asking = threading.Lock()
        self._outage = Outage(
            logger, begun=f"the keys of {url} cannot be asked for", over=f"the keys of {url} can be asked for again"
        )

    def key_for(self, header: Mapping[str, Any]) -> PyJWK:
        """The key for a token of this header. Raises as `KeySet.key_for`, and `IdentityUnavailable`."""
        keys = self._current()
        try:
            return keys.key_for(header)
        except UnknownKey:
            # The issuer may have a new one.
            newer = self._newer_than(keys)
            if newer is None:
                raise
            return newer.key_for(header)

    def _current(self) -> KeySet:
        """The keys. Only who needs them and has none waits for the issuer."""
        age = time.monotonic() - self._fetched_at
        if self._keys is None or age > settings.JWT_KEYS_MAX_AGE:
            with self._asking:
                # Another thread may have been first, with or without success.
                if not self._is_known() and self._may_ask():
                    self._ask()
                if self._keys is None or not self._is_known():
                    raise IdentityUnavailable(
                        "The issuer of tokens cannot be reached now, so nobody can be identified. Try again later.",
                        retry_after=max(1, math.ceil(settings.JWT_KEYS_RETRY)),
                    )
                return self._keys
        if age > settings.JWT_KEYS_REFRESH and self._may_ask() and self._asking.acquire(blocking=False):
            threading.Thread(target=self._refresh, name="issuer-keys", daemon=True).start()
        return self._keys

    def _newer_than(self, keys: KeySet) -> KeySet | None:
        """Keys other than these, asked for unless that was done a moment ago. None where there are none."""
        if self._keys is keys and self._may_ask() and self._asking.acquire(timeout=PATIENCE):
            self._refresh()
        return self._keys if self._keys is not keys else None

    def _refresh(self) -> None:
        """Ask the issuer unless another thread has just done so. For who has the lock, which is given back."""
        try:
            if self._may_ask():
                self._ask()
        finally:
            self._asking.release()

    def _is_known(self) -> bool:
        return self._keys is not None and time.monotonic() - self._fetched_at <= settings.JWT_KEYS_MAX_AGE

    def _may_ask(self) -> bool:
        return time.monotonic() - self._tried_at >= settings.JWT_KEYS_RETRY

    def _ask(self) -> None:
        """Ask the issuer, and remember what it says. For who has the lock."""
        try:
            keys = fetch_keys(self.url)
        except IssuerFailed as exc:
            self._outage.met(exc)
        else:
            self._keys, self._fetched_at = keys, time.monotonic()
            self._outage.over()
        finally:
            self._tried_at = time.monotonic()


def fetch_keys(url: str) -> KeySet:
    """The keys of the issuer `url`, by way of its metadata (OpenID Connect Discovery 1.0). Raises `IssuerFailed`."""
    deadline = time.monotonic() + settings.JWT_ISSUER_TIMEOUT
    # It is asked directly or by the proxy of the environment, and never sent elsewhere.
    with httpx.Client(timeout=settings.JWT_ISSUER_TIMEOUT, follow_redirects=False) as client:
        metadata = _get(client, url.rstrip("/") + METADATA, deadline)
        if metadata.get("issuer") != url:
            raise IssuerFailed(f"its metadata is that of {metadata.get('issuer')!r}, which JWT_ISS should be then")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or not _as_safe(address, url):
            raise IssuerFailed(f"its metadata has no jwks_uri that can be asked: {address!r}")
        found = _get(client, address, deadline).get("keys")
    algorithms = metadata.get("id_token_signing_alg_values_supported", DEFAULT_ALGORITHMS)
    if not isinstance(found, list) or not isinstance(algorithms, list):
        raise IssuerFailed("what it says of its keys and algorithms are no lists")
    keys = KeySet(found, frozenset(name for name in algorithms if isinstance(name, str)))
    if not keys:
        raise IssuerFailed("none of its keys is one for signatures that everybody can check")
    return keys


def _as_safe(address: str, url: str) -> bool:
    """Whether the keys come as safely as the metadata."""
    scheme = urlsplit(address).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(url).scheme == "http")


def _get(client: httpx.Client, address: str, deadline: float) -> dict[str, Any]:
    """The JSON object at an address. Raises `IssuerFailed`, also when it takes too long, or is too long."""
    body = b""
    try:
        with client.stream("GET", address, headers={"Accept": "application/json"}) as response:
            if response.status_code != 200:
                raise IssuerFailed(f"{address} answered {response.status_code}")
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise IssuerFailed(f"{address} answered more than {MAX_ANSWER} bytes")
                if time.monotonic() > deadline:
                    raise IssuerFailed(f"{address} took longer than {settings.JWT_ISSUER_TIMEOUT:g} seconds")
        value = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as exc:
        raise IssuerFailed(f"{address}: {str(exc) or type(exc).__name__}") from exc
    if not isinstance(value, dict):
        raise IssuerFailed(f"{address} answered no object")
    return value
