"""Replaying what the original server was asked and answered (`tests/golden/`), and comparing our answers with its.

Ids and times differ from run to run: an id of the original's stands for the one that our server gave at the same
place, everywhere after. Everything else must be the same, the order of keys too.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.integration.golden_streams import STREAM, summarise
from tests.live_client import COOKIE, RUN_TIMEOUT, LiveClient
from tests.live_server import LiveServer

GOLDEN = Path(__file__).parent.parent / "golden"
# The ids of chunks, which an upload is answered with, are others each time; how many there are is not.
UPLOAD = "/ingest"
# What was in the files that the original was sent, which only their names were written down of. A name may come with
# its case; SENTENCES is the text that its documents show, as often as makes as many chunks.
SENTENCES = b"The capital of Freedonia is Fredville. "
FILES: dict[str, bytes] = {
    "multi_long/a.txt": SENTENCES * 140,
    "ingest/a.txt": SENTENCES * 59,
    "README": b"Read me.",
    "noext_multiline/README": b"Read me.\n\nThen read on.\n",
    "e.txt": b"",
    "a.csv": b"town,river\nFredville,Sylvan\n",
    "a.md": b"# Freedonia\n\nIts capital is Fredville.\n",
    "a.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "bad.pdf": b"%PDF-1.4\nthis is no PDF",
    "l.txt": "Füße, café".encode("latin-1"),
    "n.txt": b"a\x00b",
    "sample.html": b"<html><body><h1>Freedonia</h1><p>Its capital is Fredville.</p></body></html>",
}
# For formats that nobody writes by hand: documents of the tests.
SAMPLES = {
    "sample.docx": "otter.docx",
    "sample.odt": "library.odt",
    "sample.epub": "clocks.epub",
    "sample.rtf": "bicycle.rtf",
}
CUT = re.compile(r"…\[\d+ bytes\]$")
JSON = "application/json"
# Stands in a changed golden body for any value but null.
ANY: Any = ...
# The one whose body was sent as JSON where the golden file shows a string: the others were sent as they stand there.
JSON_STRING = "create_body_string"
ID_KEYS = {"assistant_id", "thread_id", "run_id", "checkpoint_id", "tool_call_id", "id", "user_id"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ANY_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A response. `body` is its JSON, a stream's summary, or text.

    `newest_first`: the rows of our list come in the opposite order. `open_levels`: golden bodies are cut after
    2.5 KB; what stands at the cut may go on, so many levels down along the last items.
    """

    status: int
    body: Any
    content_type: str = JSON
    open_levels: int = 0
    newest_first: bool = False


Change = Callable[[Answer, "Replay"], Answer]


@dataclass
class Result:
    """How one case came out. `stale` holds the places of its changes without which it is no different."""

    problems: list[str]
    stale: list[int] = field(default_factory=list)


@dataclass
class Ids:
    """Which id of ours stands for which of the original's."""

    ours: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)

    def learn(self, golden: Any, ours: Any, key: str = "") -> None:
        """Pair the ids that stand at the same places, where neither has a partner."""
        if isinstance(golden, dict) and isinstance(ours, dict):
            for name in golden.keys() & ours.keys():
                self.learn(golden[name], ours[name], name)
        elif isinstance(golden, list) and isinstance(ours, list):
            for one, other in zip(golden, ours, strict=False):
                self.learn(one, other, key)
        elif key in ID_KEYS and isinstance(golden, str) and isinstance(ours, str) and not self.is_known(golden):
            is_user = ours in self.sent  # a user is called what the cookie says
            if (key == "user_id") == is_user and ours not in self.ours.values():
                self.ours[golden] = ours

    def is_known(self, golden: str) -> bool:
        """Whether this id of the original's has come up before."""
        return golden in self.ours or golden in self.sent

    def expected(self, golden: str) -> str:
        """What our server should say where the original said `golden`. What a client named keeps its name."""
        return self.ours.get(golden, golden)

    def translate(self, text: str) -> str:
        """`text` of a request with our ids for the original's, each in the spelling it has there."""

        def ours(match: re.Match[str]) -> str:
            found = self.ours.get(str(uuid.UUID(match[0])))
            if found is None:
                return match[0]
            spelled = found if match[1] else found.replace("-", "")
            return spelled.upper() if match[0] != match[0].lower() else spelled

        return ANY_UUID.sub(ours, text)


def read_cases(file: str) -> list[dict[str, Any]]:
    """The lines of a golden file: `case`, `request`, `response`. Some streams that it cuts are whole beside it."""
    cases = [json.loads(line) for line in (GOLDEN / f"{file}.jsonl").read_text().splitlines()]
    for case in cases:
        whole = GOLDEN / "sse" / f"{case['case']}.txt"
        if whole.exists():
            case["response"]["body"] = read_stream(whole.name)
    return cases


def read_stream(name: str) -> str:
    """A stream of the original's, as it came over the wire."""
    return (GOLDEN / "sse" / name).read_bytes().decode()


def cases_of(file: str) -> list[str]:
    """The names of its cases, in their order. Some come more than once."""
    return [str(case["case"]) for case in read_cases(file)]


class Replay:
    """One golden file against one server, case by case in its order."""

    def __init__(self, server: LiveServer, file: str) -> None:
        self.ids = Ids()
        self.golden: dict[str, Answer] = {}
        self._server = server
        self._messages: dict[str, set[str]] = {}
        self._cases = read_cases(file)

    def run(self, changes: Callable[[str], list[Change]]) -> list[Result]:
        """Ask everything. `changes` says, for the name of a case, how our answer differs from the original's."""
        results = []
        for case in self._cases:
            golden = self._golden(case)
            ours = self._ask(case["case"], case["request"])
            self.golden.setdefault(case["case"], golden)
            results.append(self._check(golden, ours, changes(case["case"])))
        return results

    def _check(self, golden: Answer, ours: Answer, changes: list[Change]) -> Result:
        expected = self._changed(golden, changes)
        self.ids.learn(expected.body, self._in_order(expected, ours))
        result = Result(list(self._differences(expected, ours)))
        for place in range(len(changes)):
            fewer = self._changed(golden, changes[:place] + changes[place + 1 :])
            if not any(self._differences(fewer, ours)):
                result.stale.append(place)
        return result

    def _changed(self, answer: Answer, changes: list[Change]) -> Answer:
        for change in changes:
            answer = change(answer, self)
        return answer

    def _differences(self, expected: Answer, ours: Answer) -> Iterator[str]:
        if (expected.status, expected.content_type) != (ours.status, ours.content_type):
            yield f"{expected.status} {expected.content_type} != {ours.status} {ours.content_type}: {ours.body}"
        yield from compare(expected.body, self._in_order(expected, ours), self.ids, expected.open_levels)

    def _in_order(self, expected: Answer, ours: Answer) -> Any:
        return ours.body[::-1] if expected.newest_first and isinstance(ours.body, list) else ours.body

    def _golden(self, case: dict[str, Any]) -> Answer:
        answer = case["response"]
        text, cut = CUT.subn("", answer["body"])
        body: Any = text
        open_levels = 0
        if answer["content_type"].startswith(STREAM):
            known = self._messages.get(case["request"]["body"]["thread_id"], set())
            body, open_levels = summarise(text, known, cut=bool(cut))
        elif answer["content_type"] == JSON:
            body, open_levels = parse_cut(text) if cut else (json.loads(text), 0)
        if case["request"]["path"] == UPLOAD and answer["status"] == 200:
            body = [[ANY for _ in ids] for ids in body]
        self._remember_messages(case["request"], body)
        return Answer(answer["status"], self._without_leftovers(body), answer["content_type"], open_levels)

    def _remember_messages(self, request: dict[str, Any], body: Any) -> None:
        thread = (request["body"] or {}).get("thread_id") if isinstance(request["body"], dict) else None
        if found := re.match(r"/threads/([^/]+)/state", request["path"]):
            thread = found[1]
        if thread and isinstance(body, dict):
            values = body.get("values") or body
            messages = values.get("messages", []) if isinstance(values, dict) else values
            self._messages.setdefault(thread, set()).update(message["id"] for message in messages if "id" in message)

    def _without_leftovers(self, body: Any) -> Any:
        """A list without what the original's database held before the first case."""
        if not isinstance(body, list):
            return body
        return [row for row in body if not is_row(row) or self.ids.is_known(next(iter(row.values())))]

    def _ask(self, case: str, request: dict[str, Any]) -> Answer:
        headers = {name: value for name, value in request["headers"].items() if value is not None}
        self.ids.sent.add(headers.get("cookie", f"{COOKIE}=").partition("=")[2] or "static-default-user-id")
        raw = request["body"]
        if not isinstance(raw, str) or case == JSON_STRING:
            raw = json.dumps(raw)
        self.ids.sent.update(match[0] for match in ANY_UUID.finditer(request["path"] + raw))
        self.ids.sent.update(re.findall(r'"id": "([^"]+)"', raw))
        # What was not UTF-8 could not be written down; U+FFFD stands for it.
        sent: dict[str, Any] = {}
        if request["path"] == UPLOAD and "form" in request["body"]:
            sent = self._form(case, request["body"])
        elif request["body"] is not None:
            sent = {"data": self.ids.translate(raw).encode().replace("\ufffd".encode(), b"\xff")}
        url = self._server.url + self.ids.translate(request["path"])
        response = requests.request(request["method"], url, headers=headers, timeout=RUN_TIMEOUT, **sent)
        content_type = response.headers.get("content-type", "")
        content: Any = response.text
        if content_type.startswith(STREAM):
            content, _ = summarise(response.content.decode(), set())
        elif content_type == JSON:
            content = response.json()
        if (request["method"], request["path"]) == ("POST", "/runs") and response.ok:
            LiveClient(self._server.url, headers["cookie"].partition("=")[2]).wait_for_run(content["run_id"])
        return Answer(response.status_code, content, content_type)

    def _form(self, case: str, body: dict[str, Any]) -> dict[str, Any]:
        """A form with files, for `requests`. Without a file it is none but a form all the same."""
        fields = {name: (None, self.ids.translate(text)) for name, text in body["form"].items()}
        files = [(field, (name, file_of(case, name))) for field, name in body["files"] or []]
        return {"files": [*fields.items(), *files]}


def file_of(case: str, name: str) -> bytes:
    """What was in a file that the original was sent."""
    if name in SAMPLES:
        return (GOLDEN.parent / "samples" / "knowledge" / SAMPLES[name]).read_bytes()
    return FILES.get(f"{case}/{name}") or FILES.get(name, f"{SENTENCES.decode()}{case}".encode())


def is_row(item: Any) -> bool:
    """Whether an item of a list is an assistant or a thread, which begin with their id."""
    return isinstance(item, dict) and next(iter(item)) in ("assistant_id", "thread_id")


def parse_cut(text: str) -> tuple[Any, int]:
    """The JSON of a text that breaks off, up to its last whole object in a list, and how many levels are open there."""
    closers: list[str] = []
    whole = 0, ""
    in_string = escaped = False
    for place, char in enumerate(text, start=1):
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            closers.append("]" if char == "[" else "}")
        elif char in "]}":
            closers.pop()
            if char == "}" and closers and closers[-1] == "]":
                whole = place, "".join(reversed(closers))
    return json.loads(text[: whole[0]] + whole[1]), len(whole[1])


def compare(golden: Any, ours: Any, ids: Ids, open_levels: int = 0, where: str = "body") -> Iterator[str]:
    """Say where `ours` is not what `golden` says, key by key and in its order."""
    inner = max(0, open_levels - 1)
    if golden is ANY:
        if ours is None:
            yield f"{where}: nothing"
    elif isinstance(golden, dict) and isinstance(ours, dict):
        keys = list(ours)[: len(golden)] if open_levels else list(ours)
        if list(golden) != keys:
            yield f"{where}: keys {list(golden)} != {list(ours)}"
            return
        for place, key in enumerate(golden, start=1):
            levels = inner if place == len(golden) else 0
            if key == "updated_at" and TIME.fullmatch(str(golden[key])) and TIME.fullmatch(str(ours[key])):
                continue
            mapped = ids.expected(golden[key]) if key in ID_KEYS and isinstance(golden[key], str) else golden[key]
            yield from compare(mapped, ours[key], ids, levels, f"{where}.{key}")
    elif isinstance(golden, list) and isinstance(ours, list):
        if len(golden) > len(ours) or (len(golden) < len(ours) and not open_levels):
            yield f"{where}: {len(golden)} items != {len(ours)}: {ours}"
            return
        for place, item in enumerate(golden):
            levels = inner if place == len(golden) - 1 else 0
            yield from compare(item, ours[place], ids, levels, f"{where}[{place}]")
    elif type(golden) is not type(ours) or golden != ours:
        yield f"{where}: {golden!r} != {ours!r}"
