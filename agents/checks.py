"""What Django's system checks say about the settings of this app."""

import importlib
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from agents.names import TOOL_NAME
from agents.tools.catalogue import BUILT_IN, EARLIER_NAMES
from agents.tools.kinds import ToolKind
from agents.tools.own import own_kind


def check_own_tools(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every entry of TOOLS leads somewhere, under a name of its own. Nothing of it is imported."""
    messages: list[CheckMessage] = []
    taken = {name.lower() for kind in BUILT_IN.values() for name in (kind.key, kind.name)} | set(EARLIER_NAMES)
    for path in settings.TOOLS:
        kind = own_kind(path)
        if problem := kind.why_not():
            messages.append(Error(problem, id="agents.E001"))
        elif kind.key.lower() in taken:
            messages.append(
                Error(f"TOOLS names {path}, and there is another tool called {kind.key}.", id="agents.E002")
            )
        elif not TOOL_NAME.fullmatch(kind.key):
            text = f"TOOLS names {path}, and a tool's name is at most 64 letters of ASCII, digits, _ and -."
            messages.append(Error(text, id="agents.E003"))
        taken.add(kind.key.lower())
    return messages


def check_own_tools_load(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every entry of TOOLS can be imported and is a tool. Takes as long as that takes: for `check --deploy`."""
    kinds = [kind for kind in map(own_kind, settings.TOOLS) if kind.why_not() is None]
    return [Error(problem, id="agents.E004") for kind in kinds if (problem := _loading_problem(kind))]


def _loading_problem(kind: ToolKind) -> str | None:
    # Imported by its name, and only here: it brings LangChain, which no other check should wait for.
    own_tools = importlib.import_module("agents.tools.own_tools")
    module, _, name = kind.factory.partition(":")
    try:
        own_tools.as_tools(getattr(importlib.import_module(module), name), kind)
    except Exception as exc:  # whatever the module does when it is imported
        return f"The tool {module}.{name} cannot be loaded: {type(exc).__name__}: {exc}"
    return None
