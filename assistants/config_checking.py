"""Refuses configs that could not be run, when they are sent rather than when they are needed."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from accounts.models import User
from agents.config import ConfigProblem, find_problems
from agents.config_secrets.paths import MISSING, value_at
from agents.config_secrets.sealing import NothingToKeep, Sealed, masked, seal
from assistants.models import Assistant
from opengpts.bodies import beginning_of
from opengpts.errors import Invalid


def check_and_seal(config: Any, *loc: str | int, owner: User, stored: Sequence[Sealed] = ()) -> Sealed:
    """`config` as it is to be stored for `owner`, who sent it; `loc` leads to it in what they sent.

    Where it has `***` for a secret, the one at the same place of `stored` is kept, which must be `owner`'s. Raises
    `Invalid` where a known key has a value that it cannot have, or there is nothing to keep. It names every such place,
    and what may stand there. Keys that nobody knows may hold anything, up to MAX_CONFIG_BYTES in all.
    """
    most = settings.MAX_CONFIG_BYTES
    if (size := len(json.dumps(config, ensure_ascii=False).encode())) > most:
        msg = f"A config should have at most {most} bytes as JSON (MAX_CONFIG_BYTES)"
        raise Invalid.at(*loc, msg=msg, value=size, type="too_long")
    try:
        problems = find_problems(config)
        if not problems:
            return seal(config, owner=owner.pk, stored=stored)
    except NothingToKeep as exc:
        raise Invalid([_complaint(problem, "secret_missing", loc, problem.value) for problem in exc.problems]) from None
    shown = masked(config)
    raise Invalid([_complaint(problem, "config_value", loc, _shown(shown, problem)) for problem in problems])


def may_keep(owner: User, assistant: Assistant | None) -> list[Sealed]:
    """What `***` in a config of `owner`'s, for runs of `assistant`, may stand for: nothing of somebody else's."""
    return [assistant.sealed] if assistant is not None and assistant.owner_id == owner.pk else []


def _shown(config: Any, problem: ConfigProblem) -> Any:
    value = value_at(config, problem.loc)
    return problem.value if value is MISSING else value


def _complaint(problem: ConfigProblem, kind: str, loc: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": [*loc, *problem.loc], "msg": problem.message, "input": beginning_of(value)}
