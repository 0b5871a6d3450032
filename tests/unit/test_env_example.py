"""`.env.example` names every setting that the environment may change, and no other."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent


def test_every_setting_is_documented() -> None:
    read = set()
    for module in (ROOT / "opengpts" / "settings").glob("*.py"):
        read |= set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', module.read_text()))
    documented = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(read) > 20
    assert documented == read
