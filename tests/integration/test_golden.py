"""The server against what the original answered, request by request (see `golden_differences`)."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.integration.golden_changes import metadata_of_today
from tests.integration.golden_differences import DIFFERENCES, changes_for
from tests.integration.golden_replay import Ids, Replay, Result, cases_of, compare, read_stream
from tests.integration.golden_streams import summarise, unchunked
from tests.live_client import LiveClient
from tests.live_server import LiveServer

pytestmark = pytest.mark.acceptance

FILES = ("assistants", "threads", "auth", "runs_agent_chatbot", "runs_retrieval", "ingest")
CASES = [(file, place, case) for file in FILES for place, case in enumerate(cases_of(file))]


@pytest.fixture(scope="module")
def replay(module_server: LiveServer) -> Callable[[str], list[Result]]:
    """How the cases of a file came out. All files share the server, as they shared the original."""

    @cache
    def run(file: str) -> list[Result]:
        replay = Replay(module_server, file)
        return replay.run(lambda case: [row.change for row in changes_for(file, case)])

    return run


@pytest.mark.parametrize(("file", "place", "case"), CASES, ids=[f"{file}-{case}" for file, _, case in CASES])
def test_it_answers_as_the_original_or_as_the_table_says(
    replay: Callable[[str], list[Result]], file: str, place: int, case: str
) -> None:
    result = replay(file)[place]
    rows = changes_for(file, case)
    why = "".join(f"\n- {row.why}" for row in rows)
    assert not result.problems, f"Ours is not the original's answer, changed by {len(rows)} rows of the table:{why}"
    assert not result.stale, f"These rows change nothing any more:{[rows[place].why for place in result.stale]}"


def test_every_row_of_the_table_names_cases_that_exist() -> None:
    known = {(file, case) for file, _, case in CASES}
    named = {(row.file, case) for row in DIFFERENCES for case in row.cases}
    assert named <= known


def test_a_stream_comes_with_the_headers_and_the_bytes_of_the_original(module_server: LiveServer) -> None:
    head, text = unchunked(read_stream("RAWSOCKET_full_3_tokens.txt"))
    alice = LiveClient(module_server.url)
    response = alice.stream(alice.make_thread(type="chatbot"), "TOKENS:3")
    assert response.status_code == 200
    for header in ("x-accel-buffering", "content-type"):
        assert response.headers[header] == head[header]
    # Where the original lets caches keep what they must ask about, ours lets them keep nothing.
    assert (head["cache-control"], response.headers["cache-control"]) == ("no-cache", "no-store")
    ours = response.content.decode()
    assert "\n" not in ours.replace("\r\n", "")
    expected, found = summarise(text, set())[0], summarise(ours, set())[0]
    metadata_of_today(expected)
    ids = Ids()
    ids.learn(expected, found)
    assert not [*compare(expected, found, ids)]
