"""Every place of every operation of the API that a client writes something into, and what must not stand there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.bad_bodies import NOT_A_NAME, NOT_AN_OBJECT, NOT_MESSAGES, NOT_TEXT

NOWHERE = "a626c439-23dc-4662-b4cf-59d3212687b4"
ADDRESS, HEADERS, USER, WHOLE = "address", "headers", "user", "body"


@dataclass(frozen=True)
class Form:
    """A multipart body: the parts as they go over the wire."""

    content: bytes


# In the path, in the query and in headers stands text; in a body, any JSON.
Values = list[Any]

NO_IDS: Values = [
    "not-a-uuid", "1", "-1", "0x10", "null", "%00", "%ff", "..%2f..", "%F0%9F%98%80", "%ED%A0%80", "a" * 2000,
    "a626c439-23dc-4662-b4cf", "a626c43923dc4662b4cf59d3212687b", "a626c439-23dc-4662-b4cf-59d3212687b4%00",
    "%D9%A1626c439-23dc-4662-b4cf-59d3212687b4", "a626c439_23dc_4662_b4cf_59d3212687b4", "%7B%7D", "'", "%25", ";",
]  # fmt: skip
IDS = [*NO_IDS, NOWHERE]
NO_NUMBERS: Values = [
    "", "x", "-1", "+1", "1.5", "1e3", "0x1", "%00", "%ff", "%D9%A3", " 1", "1%00", "true", "null", "NaN",
    "9" * 11, "9" * 12, "9" * 20, "9" * 5000, "&".join(["1", *(f"a{n}=" for n in range(1001))]),
]  # fmt: skip
SIZES = [*NO_NUMBERS, "0", "1001", "2147483648"]
OFFSETS = [*NO_NUMBERS, "2147483648"]
SECONDS = [*NO_NUMBERS, "3601"]
CHECKPOINTS: Values = ["%00", "%ff", "%F0%9F%98%80", "a%0a", "%ED%A0%80", "a" * 65, "a" * 5000]
ACTIONS: Values = ["", "x", "INTERRUPT", "interrupt%00", "%ff", "1", "a" * 5000]
EVENT_IDS: Values = ["x", "-1", "1.5", "1e3", "\xb2", "9" * 20, "9" * 5000, "0x1", "1 2"]

USERS: Values = ["x" * 256, '"a\\000b"', '"a\\012b"', "x" * 4000]
# Beside what no route takes (`bad_bodies.NO_ROUTE_TAKES`).
LONG = "x" * 1_000_001
NULLABLE_IDS: Values = [1, True, [], {}, 1.5, "not-a-uuid", "", "\0", "a" * 2000, "\U0001f600", NOWHERE, "{}"]
BODY_IDS: Values = [None, *NULLABLE_IDS]
NAMES: Values = [*NOT_A_NAME, 1.5, 2**80, "\0"]
FLAGS: Values = [None, 2, -1, 1.5, "x", "", [], {}]
WORDS: Values = [None, 1, True, "", "x", "ENQUEUE", "enqueue\0", [], {}, "a" * 5000]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _called(arguments: str) -> Values:
    return [{"type": "ai", "content": "", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": arguments}}]}]


def _used(tokens: Any) -> Values:
    usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": 1}
    return [{"type": "ai", "content": "x", "usage_metadata": usage}]


MESSAGES: Values = [
    *NOT_MESSAGES,
    [{"type": "human", "content": "x"}] * 1001,
    [{"type": "human", "content": LONG}],
    [{"type": "human", "content": [{"type": "text", "text": LONG}]}],
    [{"type": "human", "content": ["x"] * 257}],
    [{"type": "human", "content": [{"type": "text"}]}],
    [{"type": "human", "content": [{"type": "image_url", "image_url": "x"}]}],
    [{"type": "human", "content": [{}]}],
    [{"type": "human", "content": "x", "additional_kwargs": {"a": "x" * (6 * 1024 * 1024)}}],
    [{"type": "human", "content": "x", "name": "x" * 256}],
    [{"type": "human", "content": "x", "name": "\0"}],
    [{"type": "human", "content": "x", "response_metadata": []}],
    [{"type": "tool", "content": "x", "tool_call_id": "x" * 256}],
    [{"type": "tool", "content": "x", "tool_call_id": "c", "status": "zzz"}],
    [{"type": "ai", "content": "", "tool_calls": [CALL] * 129}],
    [{"type": "ai", "content": "", "tool_calls": [{"name": "x" * 256, "args": {}, "id": "c"}]}],
    [{"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {}, "id": "c\0"}]}],
    *[_called(text) for text in ("x", "[]", "1", "NaN", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000)],
    *[_used(tokens) for tokens in (-1, 2**60, 2**200, "x", 1.5, None)],
    {"role": "zzz", "content": "x"},
    {"role": "user", "content": None},
    {"messages": [{"type": "human", "content": "x"}] * 1001},
]
_NO_OBJECTS: Values = [1, "x", True, ["x"], 1.5]
_NO_TYPES: Values = [1, "zzz", "", [], {}, "agent\0"]
_NO_TOOLS: Values = [1, "x", {}, [1], ["nope"], [{"type": 1}], [{}], [""]]
_NO_CHECKPOINTS: Values = [1, True, [], {}, "", "x", "\0", "a" * 5000, NOWHERE]
TOOLS = "type==agent/tools"
CONFIGS: Values = [
    *NOT_AN_OBJECT,
    *[{"configurable": value} for value in _NO_OBJECTS],
    *[{"configurable": {"type": value}} for value in _NO_TYPES],
    *[{"configurable": {TOOLS: value}} for value in _NO_TOOLS],
    {"configurable": {TOOLS: [{"type": "wikipedia", "config": "x"}]}},
    {"configurable": {TOOLS: [{"type": "mcp", "config": {"url": f"http://example.org/{n}"}} for n in range(65)]}},
    {"configurable": {TOOLS: [{"type": "mcp", "config": {"url": "x" * 3000}}]}},
    {"configurable": {"type==agent/agent_type": "no such model"}},
    {"configurable": {"type==agent/system_message": 1}},
    {"configurable": {"type==agent/interrupt_before_action": "yes"}},
    {"configurable": {"a": "x" * (2 * 1024 * 1024)}},
]
STATE_CONFIGS: Values = [
    *NOT_AN_OBJECT,
    *[{"configurable": {"checkpoint_id": value}} for value in _NO_CHECKPOINTS],
]
RUN_CONFIGS: Values = [
    *CONFIGS,
    *[{"configurable": {"checkpoint_id": value}} for value in _NO_CHECKPOINTS],
]
COMMANDS: Values = [
    1, "x", [], {}, {"resume": None}, {"resume": {}}, {"resume": {"decisions": 1}}, {"resume": {"decisions": [1]}},
    {"resume": {"decisions": [{"type": "zzz"}]}}, {"resume": {"decisions": [{"type": "approve"}] * 129}},
    {"resume": {"decisions": [{"type": "edit"}]}}, {"resume": {"decisions": []}, "goto": "x"},
    {"resume": {"decisions": [{"type": "reject", "message": "x" * 10_001}]}},
]  # fmt: skip
CRONS: Values = [
    *NOT_TEXT, "", "x", "* * * *", "60 * * * *", "0 0 30 2 *", "* * * * *\0", "\U0001f600 * * * *", "@daily",
    "0 9 * * 1-5" + " " * 90, "* " * 5000, "٣ * * * *", "H * * * *",
]  # fmt: skip
TIMEZONES: Values = [None, 1, [], {}, "", "Berlin", "UTC\0", "../../etc/passwd", "x" * 256, "\U0001f600"]
CHANNELS: Values = [None, 1, "values", {}, [], [1], ["zzz"], ["custom:"], ["x" * 256], ["values"] * 65, [None], ["\0"]]
NAMESPACES: Values = [1, "x", {}, ["x"], [[1]], [["x" * 256]], [["\0"]], [["x"] * 33], [[]] * 65]
SEQUENCE: Values = [-1, 1.5, "x", [], {}, 2**63, 2**200]
COMMAND_IDS: Values = [None, "x", 1.5, True, [], {}, 2**53, -(2**53), 2**200]
METHODS: Values = [None, 1, True, [], {}, "x" * 256]
PARAMS: Values = [1, "x", True, [], ["x"]]
IMAGES: Values = ["x", "%00", "%ff", "..", "..%2f..%2fdb.sqlite3", "a" * 2000, f"{'0' * 32}.svg", f"{'0' * 32}.png"]

# Where AUTH_TYPE is cookie, as here, there are no logins: 404 for all of these. With another see `test_identity`.
PASSWORDS: Values = [*NOT_TEXT, "", "\0", "x" * 4097]
TOKENS: Values = [*NOT_TEXT, "", "x", "a.b.c", "\0", "x" * 8193]
KEY_NAMES: Values = [*NOT_TEXT, "", " ", "\0", "x" * 256, 1.5, 2**80]
SCOPES: Values = [None, 1, "read", {}, [], [1], ["zzz"], ["READ"], ["read\0"], ["read"] * 4, [None], [[]]]
ENDS: Values = [
    1.5, True, "", "x", [], {}, "2001-01-01T00:00:00Z", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", "\0",
    "9999-12-31T23:59:59-12:00", "99999-01-01T00:00:00Z", "2099-01-01T00:00:00Z" + "0" * 5000,
]  # fmt: skip


def part(name: str, content: bytes, *, filename: str | None = None, headers: bytes = b"") -> bytes:
    """One part of a form whose boundary is `b`."""
    named = f'; filename="{filename}"'.encode("utf-8", "surrogatepass") if filename is not None else b""
    return (
        b'--b\r\ncontent-disposition: form-data; name="'
        + name.encode()
        + b'"'
        + named
        + b"\r\n"
        + headers
        + (b"\r\n" + content + b"\r\n")
    )


END = b"--b--\r\n"
A_FILE = part("files", b"words", filename="a.txt")
FORMS: Values = [
    Form(b""),
    Form(END),
    Form(A_FILE),  # cut short
    Form(part("files", b"words") + END),
    Form(part("other", b"words", filename="a.txt") + END),
    Form(part("files", b"!", filename="a.txt", headers=b"content-transfer-encoding: base64\r\n") + END),
    Form(A_FILE * 21 + END),
    Form(A_FILE + part("x", b"1") * 1001 + END),
]
TARGETS: Values = [
    None, "", "x", "nope", "{", "[]", "1", "null", '"x"', "{}", '{"configurable": 1}', '{"configurable": {}}',
    '{"configurable": {"assistant_id": 1}}', '{"configurable": {"assistant_id": NaN}}',
    '{"configurable": {"assistant_id": "\\ud800"}}', '{"configurable": {"assistant_id": "x"}}',
    '{"configurable": {"assistant_id": "\\u0000"}}', '{"configurable": {"thread_id": "x"}}',
    f'{{"configurable": {{"assistant_id": "{NOWHERE}"}}}}', '{"configurable": {"assistant_id": "a", "thread_id": "b"}}',
    "[" * 100_000, "9" * 5000, "\ufeff{}", "\0",
]  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """An operation: a right request, and for each place of it what cannot stand there.

    In `path` and `body` stand ASSISTANT, THREAD, RUN, SCHEDULE and DOCUMENT for the ids of such.
    """

    path: str
    places: Mapping[str, Values] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    # What is written beside a `config` of a form.
    form: bool = False


PAGES = {"query.limit": SIZES, "query.offset": OFFSETS}
ID = {"path.id": IDS}
# To delete what is not there is no fault.
DELETED = {"path.id": NO_IDS}
# A client may name what it creates.
PUT = {"path.id": NO_IDS}
THREAD_ID = {"path.thread_id": IDS}
ASSISTANT = {"body.name": NAMES, "body.config": [None, *CONFIGS], "body.public": FLAGS}
ASSISTANT_BODY = {"name": "x", "config": {"configurable": {"a": "HERE"}}, "public": False}
THREAD = {"body.name": NAMES, "body.assistant_id": BODY_IDS}
THREAD_BODY = {"name": "x", "assistant_id": "ASSISTANT", "metadata": "HERE"}
RUN = {
    "body.thread_id": BODY_IDS,
    "body.assistant_id": NULLABLE_IDS,
    "body.input": MESSAGES,
    "body.command": COMMANDS,
    "body.config": RUN_CONFIGS,
    "body.multitask_strategy": WORDS,
    "body.on_disconnect": WORDS,
}
RUN_BODY = {"thread_id": "THREAD", "assistant_id": "ASSISTANT", "input": [], "config": {"configurable": {"a": "HERE"}}}
SCHEDULE = {
    "body.thread_id": BODY_IDS,
    "body.cron": CRONS,
    "body.timezone": TIMEZONES,
    "body.assistant_id": NULLABLE_IDS,
    "body.input": [None, *MESSAGES],
    "body.config": CONFIGS,
    "body.enabled": FLAGS,
}
SCHEDULE_BODY = {"thread_id": "THREAD", "cron": "0 9 1 1 *", "config": {"configurable": {"a": "HERE"}}}
STATE_BODY = {"values": [{"type": "human", "content": "x", "additional_kwargs": {"a": "HERE"}}]}
EVENTS = {
    "body.channels": CHANNELS,
    "body.namespaces": NAMESPACES,
    "body.depth": SEQUENCE,
    "body.since": SEQUENCE,
}
CANCEL = {"query.action": ACTIONS}

OPERATIONS = {
    "GET /assistants/": Operation("/assistants", PAGES),
    "POST /assistants/": Operation("/assistants", ASSISTANT, ASSISTANT_BODY),
    "GET /assistants/public/": Operation("/assistants/public", PAGES),
    "GET /assistants/{id}/": Operation("/assistants/ASSISTANT", ID),
    "PUT /assistants/{id}/": Operation("/assistants/ASSISTANT", {**PUT, **ASSISTANT}, ASSISTANT_BODY),
    "DELETE /assistants/{id}/": Operation("/assistants/ASSISTANT", DELETED),
    "GET /assistants/{id}/graph/": Operation("/assistants/ASSISTANT/graph", ID),
    "GET /assistants/{id}/documents/": Operation("/assistants/ASSISTANT/documents", {**ID, **PAGES}),
    "POST /assistants/{id}/documents/": Operation(
        "/assistants/ASSISTANT/documents", {**ID, "body.files": FORMS}, form=True
    ),
    "GET /threads/": Operation("/threads", PAGES),
    "POST /threads/": Operation("/threads", THREAD, THREAD_BODY),
    "GET /threads/{id}/": Operation("/threads/THREAD", ID),
    "PUT /threads/{id}/": Operation("/threads/THREAD", {**PUT, **THREAD}, THREAD_BODY),
    "DELETE /threads/{id}/": Operation("/threads/THREAD", DELETED),
    "GET /threads/{id}/state/": Operation("/threads/THREAD/state", {**ID, "query.checkpoint_id": ["", *CHECKPOINTS]}),
    "POST /threads/{id}/state/": Operation(
        "/threads/THREAD/state",
        {**ID, "body.values": [None, *MESSAGES, [{"type": "remove", "id": "x"}]], "body.config": STATE_CONFIGS},
        STATE_BODY,
    ),
    "GET /threads/{id}/history/": Operation(
        "/threads/THREAD/history", {**ID, "query.limit": [*SIZES, "101"], "query.before": CHECKPOINTS}
    ),
    "GET /threads/{id}/branches/": Operation("/threads/THREAD/branches", {**ID, **PAGES}),
    "GET /threads/{id}/documents/": Operation("/threads/THREAD/documents", {**ID, **PAGES}),
    "POST /threads/{id}/documents/": Operation("/threads/THREAD/documents", {**ID, "body.files": FORMS}, form=True),
    "GET /threads/{thread_id}/runs/": Operation("/threads/THREAD/runs", {**THREAD_ID, **PAGES}),
    "POST /threads/{thread_id}/runs/{run_id}/cancel/": Operation(
        "/threads/THREAD/runs/RUN/cancel", {**THREAD_ID, "path.run_id": IDS, **CANCEL}
    ),
    "POST /threads/{thread_id}/commands/": Operation(
        "/threads/THREAD/commands",
        {**THREAD_ID, "body.id": COMMAND_IDS, "body.method": METHODS, "body.params": PARAMS},
        {"id": 1, "method": "state.get", "params": {"a": "HERE"}},
    ),
    "POST /threads/{thread_id}/stream/events/": Operation(
        "/threads/THREAD/stream/events", {**THREAD_ID, **EVENTS}, {"channels": ["values"], "x": "HERE"}
    ),
    "POST /runs/": Operation("/runs", RUN, RUN_BODY),
    "POST /runs/stream/": Operation("/runs/stream", RUN, RUN_BODY),
    "GET /runs/{id}/": Operation("/runs/RUN", ID),
    "DELETE /runs/{id}/": Operation("/runs/RUN", ID),
    "POST /runs/{id}/cancel/": Operation("/runs/RUN/cancel", {**ID, **CANCEL}),
    "GET /runs/{id}/stream/": Operation("/runs/RUN/stream", {**ID, "header.Last-Event-ID": EVENT_IDS}),
    "GET /runs/{id}/wait/": Operation("/runs/RUN/wait", {**ID, "query.timeout": SECONDS}),
    "GET /runs/config_schema/": Operation("/runs/config_schema"),
    "GET /runs/input_schema/": Operation("/runs/input_schema"),
    "GET /runs/output_schema/": Operation("/runs/output_schema"),
    "GET /schedules/": Operation("/schedules", PAGES),
    "POST /schedules/": Operation("/schedules", SCHEDULE, SCHEDULE_BODY),
    "GET /schedules/{id}/": Operation("/schedules/SCHEDULE", ID),
    "PUT /schedules/{id}/": Operation("/schedules/SCHEDULE", {**ID, **SCHEDULE}, SCHEDULE_BODY),
    "DELETE /schedules/{id}/": Operation("/schedules/SCHEDULE", DELETED),
    "GET /documents/{id}/": Operation("/documents/DOCUMENT", ID),
    "DELETE /documents/{id}/": Operation("/documents/DOCUMENT", DELETED),
    "POST /ingest/": Operation("/ingest", {"body.files": FORMS, "body.config": TARGETS}, form=True),
    "GET /media/images/{name}": Operation("/media/images/NAME", {"path.name": IMAGES}),
    "POST /auth/token/": Operation(
        "/auth/token", {"body.username": NAMES, "body.password": PASSWORDS}, {"username": "x", "password": "HERE"}
    ),
    "POST /auth/token/refresh/": Operation("/auth/token/refresh", {"body.refresh": TOKENS}, {"refresh": "HERE"}),
    "POST /auth/token/verify/": Operation("/auth/token/verify", {"body.token": TOKENS}, {"token": "HERE"}),
    "POST /auth/token/revoke/": Operation(
        "/auth/token/revoke", {"body.refresh": TOKENS, "body.all": FLAGS}, {"refresh": "HERE"}
    ),
    "GET /auth/me/": Operation("/auth/me"),
    "GET /api-keys/": Operation("/api-keys", PAGES),
    "POST /api-keys/": Operation(
        "/api-keys",
        {"body.name": KEY_NAMES, "body.scopes": SCOPES, "body.expires_at": ENDS},
        {"name": "HERE", "scopes": ["read"]},
    ),
    "DELETE /api-keys/{id}/": Operation("/api-keys/NOWHERE", ID),
    "GET /quotas/": Operation("/quotas"),
    "GET /models/": Operation("/models"),
    "GET /tools/": Operation("/tools"),
}


def named(value: Any) -> str:
    """A value as reports call it."""
    text = repr(value.content) if isinstance(value, Form) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:48]}… ({len(text)} characters)"
