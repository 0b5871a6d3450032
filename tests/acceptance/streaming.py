"""Watching runs, and coming back after the connection is gone."""

import json
from collections.abc import Iterator
from typing import Any

import requests

from tests.live_client import LiveClient

# What a client is told of whose server is gone.
CUT_OFF = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def events_of(response: requests.Response) -> Iterator[tuple[str, str, Any]]:
    """The id, the name and the data of each event of a stream, as they come."""
    fields: dict[str, str] = {}
    for line in _lines(response):
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif fields.keys() & {"event", "data"}:
            yield fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data") or "null")
            fields = {}


def _lines(response: requests.Response) -> Iterator[str]:
    """What `iter_lines` gives, which takes a line's end for two where it comes in two pieces."""
    rest = b""
    for chunk in response.iter_content(chunk_size=None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r").decode() for line in lines)


def subscribe(client: LiveClient, thread: str, channels: list[str], since: int | None = None) -> requests.Response:
    """Watch a thread by the Agent Streaming Protocol."""
    body: dict[str, Any] = {"channels": channels, **({"since": since} if since is not None else {})}
    return client("POST", f"/threads/{thread}/stream/events", body, stream=True)


def until_ended(response: requests.Response) -> Iterator[dict[str, Any]]:
    """The protocol's events, up to the one that says how the run has ended."""
    for _, _, event in events_of(response):
        yield event
        if event["method"] == "lifecycle" and event["params"]["data"]["event"] in ("completed", "failed"):
            return


def text_in(events: list[dict[str, Any]]) -> str:
    """What the deltas of text among these come to."""
    data = [event["params"]["data"] for event in events if event["method"] == "messages"]
    deltas = [one["delta"] for one in data if one["event"] == "content-block-delta"]
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text-delta")
