"""What a stream of `/runs/stream` comes to, the original's or ours, so that the two can be compared.

The original sends the whole thread first, then each message alone as it grows; we send the run's own messages each
time. Both come to the same: which events there were, and the messages of this run at its end.
"""

import json
from itertools import groupby
from typing import Any

STREAM = "text/event-stream"


def events(text: str) -> list[tuple[str, Any]]:
    """The server-sent events of `text` as (name, data), comments left out. One that is cut off is not among them."""
    found = []
    for block in text.split("\r\n\r\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\r\n") if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"]) if "data" in fields else None))
    return found


def summarise(text: str, known: set[str], *, cut: bool = False) -> tuple[dict[str, Any], int]:
    """The stream as `{"run_id", "messages", "events", "error"}`, and how many of its levels may go on.

    `events` are the names, each run of `data` as one. `messages` are those of the run: ours says all of them each
    time; of the original's they are those whose id is not `known` from earlier. Of a stream that was cut the message
    that grew at the end is left out: its end is not there.
    """
    found = events(text)
    messages: dict[str, Any] = {}
    for name, data in found:
        if name == "data" and isinstance(data, dict):
            messages = {message["id"]: message for message in data["messages"]}
        elif name == "data":
            messages |= {message["id"]: message for message in data if message["id"] not in known}
    summary = {"run_id": found[0][1]["run_id"], "messages": list(messages.values())}
    if cut:
        del summary["messages"][-1:]
        return summary, 2
    summary["events"] = [name for name, _ in groupby(name for name, _ in found)]
    summary["error"] = dict(found).get("error")
    return summary, 0


def unchunked(text: str) -> tuple[dict[str, str], str]:
    """The headers of a response as it came over a socket, and its body out of the chunks."""
    head, rest = text.split("\r\n\r\n", 1)
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    body = ""
    while rest:
        size, rest = rest.split("\r\n", 1)
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return headers, body
