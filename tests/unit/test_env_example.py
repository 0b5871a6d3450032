"""`.env.example` names every setting that the environment may change, and no other."""

import re
from pathlib import Path

import pytest

from agents.language_models.builtin_models import BUILTIN_MODELS
from agents.language_models.providers import PROVIDERS

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent


def test_every_setting_is_documented() -> None:
    read = set()
    for module in (ROOT / "opengpts" / "settings").glob("*.py"):
        read |= set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', module.read_text()))
    documented = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(read) > 20
    assert documented == read | of_builtin_models()


def of_builtin_models() -> set[str]:
    """What the built-in models read from the environment themselves. Of several names for one thing, the first."""
    used = {entry.provider: PROVIDERS[entry.provider] for entry in BUILTIN_MODELS}.values()
    alternatives = [names for p in used for names in (p.name_env, p.url_env, p.also) if names]
    return {entry.key_env for entry in BUILTIN_MODELS if entry.key_env} | {names[0] for names in alternatives}
