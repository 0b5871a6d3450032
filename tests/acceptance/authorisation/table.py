"""Who may send what: every route, and what each person is answered."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.acceptance.authorisation.world import ENDED_KEYS, HUMAN, KEYS
from tests.routes import Route

NOT_IDENTIFIED = ("nobody", "expired", *ENDED_KEYS)
WHO = (*NOT_IDENTIFIED, "stranger", "guest", "owner", *KEYS)
# What the server answers to somebody who may; uploads are accepted with 202.
DONE = frozenset({200, 202})


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and the statuses by who asks. `{private}` and the like stand for ids of alice's.

    Whoever is not named gets 401 as nobody, with an expired token or with a key that has ended; with a key of alice's
    of the scope that is needed, what she gets herself, and with another one 403; and otherwise what `others` says.
    """

    path: str
    body: Any = None
    others: int = 404
    files: bool = False
    statuses: dict[str, int] = field(default_factory=dict)

    def status_for(self, who: str, need: str | None) -> frozenset[int]:
        """The statuses that `who` may get, where the route needs the scope `need`; None: no key has that."""
        if who in self.statuses:
            return frozenset({self.statuses[who]})
        if who in NOT_IDENTIFIED:
            return frozenset({401})
        if who in KEYS:
            return self.status_for("owner", need) if need in (who, "any key") else frozenset({403})
        if who == "owner":
            return DONE
        return DONE if self.others == 200 else frozenset({self.others})


def open_to_all(path: str, status: int = 200) -> Case:
    """Asked without saying who one is."""
    return Case(path, statuses=dict.fromkeys(WHO, status))


def everybodys(path: str, body: Any = None) -> Case:
    """What everybody who says who they are may do: with their own things."""
    return Case(path, body, others=200)


ASSISTANT = {"name": "taken over", "config": {"configurable": {}}, "public": True}
THREAD = {"name": "taken over", "assistant_id": "{public}"}
SCHEDULE = {"thread_id": "{thread}", "cron": "0 9 1 1 *"}
STATE = {"values": [HUMAN]}
RUN = {"thread_id": "{thread}", "input": [HUMAN]}
# The guest's own thread, and an assistant that only alice may run.
NOT_HERS = Case("/runs", {**RUN, "thread_id": "{guests_thread}", "assistant_id": "{private}"}, statuses={"owner": 404})
SUBSCRIBE = {"channels": ["values"]}
COMMAND = {"id": 1, "method": "state.get", "params": {}}


def ingest(key: str, named: str) -> Case:
    """An upload to the assistant or the thread that its config names."""
    config = json.dumps({"configurable": {key: f"{{{named}}}"}})
    return Case("/ingest", {"config": config}, files=True)


def need_of(route: Route) -> str | None:
    """The scope that a key needs for a route; "any key" where all will do, None where none does."""
    return NEEDS.get(route, "read" if route.method == "GET" else "manage")


# What keys need that is not read for GET and manage for others.
NEEDS: dict[Route, str | None] = {
    Route("GET", "/auth/me"): "any key",
    Route("POST", "/api-keys"): None,
    Route("DELETE", "/api-keys/{api_key}"): None,
    Route("POST", "/threads/{thread}/stream"): "read",
    Route("POST", "/threads/{thread}/stream/events"): "read",
    # The command is one that reads: see `test_commands`.
    Route("POST", "/threads/{thread}/commands"): "read",
    **dict.fromkeys(
        (
            Route("POST", "/threads"),
            Route("PUT", "/threads/{thread}"),
            Route("POST", "/threads/{thread}/state"),
            Route("POST", "/runs"),
            Route("POST", "/runs/stream"),
            Route("POST", "/runs/{run}/cancel"),
            Route("POST", "/threads/{thread}/runs/{run}/cancel"),
        ),
        "run",
    ),
}

# What deletes comes last: the owner's walk takes the cases in this order.
TABLE: dict[Route, list[Case]] = {
    Route("GET", "/"): [open_to_all("/", 302)],
    Route("GET", "/ok"): [open_to_all("/ok")],
    Route("GET", "/health"): [open_to_all("/health")],
    Route("GET", "/docs"): [open_to_all("/docs")],
    Route("GET", "/openapi.json"): [open_to_all("/openapi.json")],
    Route("GET", "/media/images/{image}"): [open_to_all("/media/images/0123456789abcdef0123456789abcdef.png", 404)],
    # Without a body they are told so: whether a login is theirs is tested with the logins.
    Route("POST", "/auth/token"): [open_to_all("/auth/token", 422)],
    Route("POST", "/auth/token/refresh"): [open_to_all("/auth/token/refresh", 422)],
    Route("POST", "/auth/token/verify"): [open_to_all("/auth/token/verify", 422)],
    Route("POST", "/auth/token/revoke"): [open_to_all("/auth/token/revoke", 422)],
    Route("GET", "/auth/me"): [everybodys("/auth/me")],
    Route("GET", "/quotas"): [everybodys("/quotas")],
    Route("GET", "/api-keys"): [everybodys("/api-keys")],
    Route("POST", "/api-keys"): [everybodys("/api-keys", {"name": "k", "scopes": ["read"]})],
    Route("GET", "/models"): [everybodys("/models")],
    Route("GET", "/tools"): [everybodys("/tools")],
    Route("GET", "/runs/config_schema"): [everybodys("/runs/config_schema")],
    Route("GET", "/runs/input_schema"): [everybodys("/runs/input_schema")],
    Route("GET", "/runs/output_schema"): [everybodys("/runs/output_schema")],
    Route("GET", "/assistants"): [everybodys("/assistants")],
    Route("GET", "/assistants/public"): [open_to_all("/assistants/public")],
    Route("POST", "/assistants"): [everybodys("/assistants", ASSISTANT)],
    Route("GET", "/assistants/{assistant}"): [Case("/assistants/{private}"), Case("/assistants/{public}", others=200)],
    Route("PUT", "/assistants/{assistant}"): [
        Case("/assistants/{private}", {**ASSISTANT, "public": False}),
        Case("/assistants/{public}", ASSISTANT),
    ],
    Route("GET", "/assistants/{assistant}/graph"): [
        Case("/assistants/{private}/graph"),
        Case("/assistants/{public}/graph", others=200),
    ],
    Route("GET", "/assistants/{assistant}/documents"): [
        Case("/assistants/{private}/documents"),
        Case("/assistants/{public}/documents"),
    ],
    Route("POST", "/assistants/{assistant}/documents"): [
        Case("/assistants/{private}/documents", files=True),
        Case("/assistants/{public}/documents", files=True),
    ],
    Route("GET", "/threads"): [everybodys("/threads")],
    Route("POST", "/threads"): [
        everybodys("/threads", {"name": "t", "assistant_id": "{public}"}),
        Case("/threads", {"name": "t", "assistant_id": "{private}"}),
    ],
    Route("GET", "/threads/{thread}"): [Case("/threads/{thread}")],
    Route("PUT", "/threads/{thread}"): [Case("/threads/{thread}", THREAD)],
    Route("GET", "/threads/{thread}/state"): [
        Case("/threads/{thread}/state"),
        Case("/threads/{thread}/state?checkpoint_id={checkpoint}"),
        # A checkpoint of alice's, asked of a thread of the guest's own.
        Case("/threads/{guests_thread}/state?checkpoint_id={checkpoint}", statuses={"owner": 404}),
    ],
    Route("POST", "/threads/{thread}/state"): [
        Case("/threads/{thread}/state", STATE),
        Case(
            "/threads/{guests_thread}/state",
            {**STATE, "config": {"configurable": {"checkpoint_id": "{checkpoint}", "thread_id": "{thread}"}}},
            statuses={"owner": 404},
        ),
    ],
    Route("GET", "/threads/{thread}/history"): [Case("/threads/{thread}/history")],
    Route("GET", "/threads/{thread}/branches"): [Case("/threads/{thread}/branches")],
    Route("GET", "/threads/{thread}/documents"): [Case("/threads/{thread}/documents")],
    Route("POST", "/threads/{thread}/documents"): [Case("/threads/{thread}/documents", files=True)],
    Route("GET", "/threads/{thread}/runs"): [Case("/threads/{thread}/runs")],
    Route("GET", "/documents/{document}"): [Case("/documents/{document}")],
    Route("POST", "/ingest"): [
        ingest("assistant_id", "private"),
        ingest("assistant_id", "public"),
        ingest("thread_id", "thread"),
    ],
    Route("GET", "/schedules"): [everybodys("/schedules")],
    Route("POST", "/schedules"): [Case("/schedules", SCHEDULE)],
    Route("GET", "/schedules/{schedule}"): [Case("/schedules/{schedule}")],
    Route("PUT", "/schedules/{schedule}"): [Case("/schedules/{schedule}", SCHEDULE)],
    Route("POST", "/runs"): [
        Case("/runs", RUN),
        Case("/runs", {**RUN, "assistant_id": "{public}"}),
        NOT_HERS,
        Case(
            "/runs",
            {
                **RUN,
                "thread_id": "{guests_thread}",
                "config": {"configurable": {"thread_id": "{thread}", "checkpoint_id": "{checkpoint}"}},
            },
            statuses={"owner": 404},
        ),
    ],
    Route("POST", "/runs/stream"): [
        Case("/runs/stream", RUN),
        replace(NOT_HERS, path="/runs/stream"),
    ],
    Route("GET", "/runs/{run}"): [Case("/runs/{run}")],
    Route("GET", "/runs/{run}/wait"): [Case("/runs/{run}/wait")],
    Route("GET", "/runs/{run}/stream"): [Case("/runs/{run}/stream")],
    Route("POST", "/runs/{run}/cancel"): [Case("/runs/{run}/cancel")],
    Route("POST", "/threads/{thread}/runs/{run}/cancel"): [
        Case("/threads/{thread}/runs/{run}/cancel"),
        Case("/threads/{guests_thread}/runs/{run}/cancel", statuses={"owner": 404}),
    ],
    # What a command is, and whose thread, is in `test_commands`.
    Route("POST", "/threads/{thread}/commands"): [Case("/threads/{thread}/commands", COMMAND)],
    Route("POST", "/threads/{thread}/stream"): [Case("/threads/{thread}/stream", SUBSCRIBE)],
    Route("POST", "/threads/{thread}/stream/events"): [Case("/threads/{thread}/stream/events", SUBSCRIBE)],
    Route("DELETE", "/api-keys/{api_key}"): [Case("/api-keys/{api_key}")],
    Route("DELETE", "/runs/{run}"): [Case("/runs/{run}")],
    Route("DELETE", "/documents/{document}"): [Case("/documents/{document}", others=200)],
    Route("DELETE", "/schedules/{schedule}"): [Case("/schedules/{schedule}", others=200)],
    Route("DELETE", "/threads/{thread}"): [Case("/threads/{thread}", others=200)],
    Route("DELETE", "/assistants/{assistant}"): [
        Case("/assistants/{private}", others=200),
        Case("/assistants/{public}", others=200),
    ],
}
