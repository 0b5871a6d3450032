"""Requests that are made from the OpenAPI document, right ones and wrong ones: the server answers as it says there.

schemathesis makes the same ones each time. For all that it can think of, which takes some minutes:
`FUZZING_EXAMPLES=50 pytest tests/acceptance/fuzzing -s`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
EXAMPLES = int(os.environ.get("FUZZING_EXAMPLES", "0"))
# Not to look for a smaller example of what fails: each waits for a server.
PHASES = [Phase.explicit, Phase.generate]
# A stream of a thread does not end: see `test_streams_of_threads`.
ENDLESS = "/threads/{thread_id}/stream/events/"


def test_every_operation_answers_as_the_document_says(module_server: LiveServer) -> None:
    """All checks of schemathesis, on every operation: see `schemathesis.toml` for where they ask for something else."""
    if module_server.server == "daphne":
        pytest.skip("daphne itself answers a form of no part, with 400 and no body")
    command = [
        *(str(Path(sys.executable).parent / "st"), f"--config-file={HERE / 'schemathesis.toml'}", "run"),
        f"{module_server.url}/openapi.json",
        f"--phases=examples,{'coverage,' if EXAMPLES else ''}fuzzing,stateful",
        f"--max-examples={EXAMPLES or 6}",
        "--seed=1",
        "--generation-database=none" if EXAMPLES else "--generation-deterministic",
        f"--header=Cookie: {COOKIE}=fuzz",
        "--generation-with-security-parameters=false",
        f"--exclude-path-regex={re.escape(ENDLESS)}",
        *("--request-timeout=30", "--continue-on-failure", "--no-color"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.acceptance.fuzzing.hooks"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in module_server.log
    tested = re.search(r"Tested: (\d+)", done.stdout)
    document = LiveClient(module_server.url).get("/openapi.json")
    operations = sum(map(len, document["paths"].values()))
    assert tested is not None
    assert int(tested[1]) == operations - 1


def test_streams_of_threads(module_server: LiveServer) -> None:
    """The one operation whose answer has no end: a right subscription opens a stream, a wrong one is refused."""
    alice = LiveClient(module_server.url, "alice")
    threads = {"mine": alice.make_thread(), "nobody's": "a626c439-23dc-4662-b4cf-59d3212687b4"}
    operation = schemathesis.openapi.from_url(f"{module_server.url}/openapi.json")[ENDLESS]["POST"]
    opened = refused = 0

    def send(whose: str, body: Any) -> requests.Response:
        return alice("POST", ENDLESS.format(thread_id=threads[whose]), body, stream=True)

    @settings(
        max_examples=EXAMPLES or 40,
        derandomize=True,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        phases=PHASES,
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def right(case: Any) -> None:
        nonlocal opened
        with send("mine", case.body) as response:
            assert response.status_code == 200, (case.body, response.text)
            assert response.headers["content-type"].startswith("text/event-stream")
            assert next(response.iter_content(8)) == b": open\n\n"
        opened += 1
        with send("nobody's", case.body) as response:
            assert (response.status_code, response.json()) == (404, {"detail": "Thread not found"})

    @settings(
        # Most are wrong in the path, which is no matter of a body.
        max_examples=EXAMPLES or 250,
        derandomize=True,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        phases=PHASES,
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def wrong(case: Any) -> None:
        nonlocal refused
        if not _is_about_the_body(case):
            return
        with send("mine", case.body) as response:
            assert response.status_code == 422, (case.body, response.status_code)
            assert response.json()["detail"]
        refused += 1

    right()
    wrong()
    print(json.dumps({"opened": opened, "refused": refused}))
    assert min(opened, refused) >= 10
    assert "Traceback" not in module_server.log


def _is_about_the_body(case: Any) -> bool:
    wrong = [kind for kind, component in case.meta.components.items() if component.mode == GenerationMode.NEGATIVE]
    # Bytes are what no JSON can be made of; a body that is not there at all has no value.
    return [kind.value for kind in wrong] == ["body"] and isinstance(case.body, dict | list | str | int | float)
