"""Who asks, and whose things they ask for."""

import json
from dataclasses import dataclass
from typing import Any

import requests

from tests.live_server import LiveServer
from tests.waiting import wait_until

# In all that alice has and nobody else may see.
MARK = "for-alice-alone"
HUMAN = {"type": "human", "content": f"{MARK} TOKENS:2"}
TIMEOUT = 30.0

KEYS = ("read", "run", "manage")
ENDED_KEYS = ("expired key", "revoked key")

PEOPLE = """
import json
from datetime import timedelta
from django.utils import timezone
from accounts.keys import create_api_key
from accounts.logins import log_in
from accounts.models import APIKey, User
from accounts.scopes import Scope
proofs = {}
for name in ("alice", "bob", "carol"):
    User.objects.create_user(name, password="a-password-of-theirs")
    proofs[name] = str(log_in(username=name, password="a-password-of-theirs").access_token)
expired = log_in(username="alice", password="a-password-of-theirs").access_token
expired.set_exp(lifetime=-expired.lifetime)
proofs["expired"] = str(expired)
alice = User.objects.get(username="alice")
past = timezone.now() - timedelta(days=1)
ended = {"expired key": {"expires_at": past}, "revoked key": {"revoked_at": past}}
for name in ("read", "run", "manage", *ended):
    scopes = [Scope(name)] if name not in ended else list(Scope)
    key, proofs[name] = create_api_key(owner=alice, name=name, scopes=scopes, expires_at=None)
    APIKey.objects.filter(pk=key.pk).update(**ended.get(name, {}))
proofs["key id"] = str(key.pk)
print(json.dumps(proofs))
"""


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who sends requests to the server at `url`, with these headers to say who they are."""

    url: str
    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send `body` as JSON. `options` are those of `requests.request`."""
        given = {**options, **({} if body is None else {"json": body})}
        # What goes on is not waited for: its status says who may see it.
        return requests.request(
            method, self.url + path, headers=self.headers, timeout=TIMEOUT, stream=True, allow_redirects=False, **given
        )

    def made(self, path: str, body: Any = None, **options: Any) -> Any:
        """What the server answers to a POST that must succeed."""
        response = self("POST", path, body, **options)
        assert response.ok, (path, response.text)
        return response.json()


@dataclass(frozen=True, slots=True)
class World:
    """The people, by how they stand to alice, and the ids of alice's things (and of one thread of each other).

    Beside the people there are API keys of alice's, by their scope, or by why they are good for nothing any more.
    """

    askers: dict[str, Asker]
    ids: dict[str, str]

    def filled(self, value: Any) -> Any:
        """`value` with the ids of the world in place of their names in braces."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        for name, found in self.ids.items():
            value = value.replace(f"{{{name}}}", found)
        return value

    def alices(self) -> str:
        """All that alice has, as she sees it."""
        thread, public = self.ids["thread"], self.ids["public"]
        seen = [
            "/assistants",
            "/threads",
            "/schedules",
            f"/threads/{thread}/state",
            f"/threads/{thread}/history",
            f"/threads/{thread}/runs",
            f"/threads/{thread}/documents",
            f"/assistants/{public}/documents",
        ]
        answers = [self.askers["owner"]("GET", path) for path in seen]
        assert all(answer.ok for answer in answers), [answer.text for answer in answers]
        return json.dumps([answer.json() for answer in answers])


def make_world(live: LiveServer) -> World:
    """People of a new server, and what they have."""
    proofs = json.loads(live.manage("shell", "--verbosity=0", "-c", PEOPLE).splitlines()[-1])
    api_key = proofs.pop("key id")
    bearers = {name: {"Authorization": f"Bearer {proof}"} for name, proof in proofs.items()}
    askers = {
        "nobody": Asker(live.url, {}),
        "expired": Asker(live.url, bearers["expired"]),
        "stranger": Asker(live.url, bearers["bob"]),
        "guest": Asker(live.url, bearers["carol"]),
        "owner": Asker(live.url, bearers["alice"]),
        **{name: Asker(live.url, bearers[name]) for name in (*KEYS, *ENDED_KEYS)},
    }
    ids = {**things_of(askers["owner"]), "api_key": api_key}
    ids["guests_thread"] = askers["guest"].made("/threads", {"name": "g", "assistant_id": ids["public"]})["thread_id"]
    theirs = askers["stranger"].made("/assistants", {"name": "s", "config": {"configurable": {}}})["assistant_id"]
    ids["strangers_thread"] = askers["stranger"].made("/threads", {"name": "s", "assistant_id": theirs})["thread_id"]
    return World(askers, ids)


def things_of(owner: Asker) -> dict[str, str]:
    """One of each thing, and a second where one is public. What is private has MARK in it."""
    config = {"configurable": {"type": "chatbot", "type==chatbot/system_message": MARK}}
    private = owner.made("/assistants", {"name": MARK, "config": config})["assistant_id"]
    shared = {"name": "everybody's", "config": {"configurable": {"type": "chatbot"}}, "public": True}
    public = owner.made("/assistants", shared)["assistant_id"]
    thread = owner.made("/threads", {"name": MARK, "assistant_id": private})["thread_id"]
    run = owner.made("/runs", {"thread_id": thread, "input": [HUMAN]})["run_id"]
    assert owner("GET", f"/runs/{run}/wait").json()["status"] == "success"
    checkpoint = owner("GET", f"/threads/{thread}/history").json()[0]["config"]["configurable"]["checkpoint_id"]
    files = [("files", (f"{MARK}.txt", MARK.encode()))]
    document = owner.made(f"/assistants/{public}/documents", files=files)[0]["document_id"]
    of_thread = owner.made(f"/threads/{thread}/documents", files=files)[0]["document_id"]
    wait_until(
        lambda: all(owner("GET", f"/documents/{pk}").json()["status"] == "ready" for pk in (document, of_thread))
    )
    schedule = owner.made("/schedules", {"thread_id": thread, "cron": "0 9 1 1 *", "input": [HUMAN]})["schedule_id"]
    return {
        "private": private,
        "public": public,
        "thread": thread,
        "run": run,
        "checkpoint": checkpoint,
        "document": document,
        "schedule": schedule,
    }
