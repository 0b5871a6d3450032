"""Refuses configs that could not be run, when they are sent rather than when they are needed."""

import json
from typing import Any

from django.conf import settings

from agents.config import ConfigProblem, find_problems
from opengpts.bodies import beginning_of
from opengpts.errors import Invalid


def check_config(config: Any, *loc: str | int) -> None:
    """Raises `Invalid` where a known key of `config` has a value that it cannot have; `loc` leads to the config.

    It names every such key, and what may stand there. Keys that nobody knows may hold anything, up to MAX_CONFIG_BYTES
    in all.
    """
    most = settings.MAX_CONFIG_BYTES
    if (size := len(json.dumps(config, ensure_ascii=False).encode())) > most:
        msg = f"A config should have at most {most} bytes as JSON (MAX_CONFIG_BYTES)"
        raise Invalid.at(*loc, msg=msg, value=size, type="too_long")
    if problems := find_problems(config):
        raise Invalid([_complaint(problem, loc) for problem in problems])


def _complaint(problem: ConfigProblem, loc: tuple[str | int, ...]) -> dict[str, Any]:
    where = [*loc, *problem.loc]
    return {"type": "config_value", "loc": where, "msg": problem.message, "input": beginning_of(problem.value)}
