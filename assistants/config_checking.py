"""Refuses configs that could not be run, when they are sent rather than when they are needed."""

from typing import Any

from agents.config import find_problems
from opengpts.errors import Invalid


def check_config(config: Any, *loc: str | int) -> None:
    """Raises `Invalid` where a known key of `config` has a value that it cannot have; `loc` leads to the config.

    It names every such key, and what may stand there. Keys that nobody knows may hold anything.
    """
    problems = find_problems(config)
    if problems:
        raise Invalid(
            [
                {"type": "config_value", "loc": [*loc, *problem.loc], "msg": problem.message, "input": problem.value}
                for problem in problems
            ]
        )
