"""Where settings come from: environment variables, and the file `.env` beside `manage.py`."""

from pathlib import Path
from typing import Any, ClassVar

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class Env(environ.Env):
    """The environment. Spaces around the entries of a list are not part of them, and a wrong number is told by name."""

    _EXPECTED: ClassVar[dict[Any, str]] = {
        int: "a whole number",
        float: "a number",
        dict: "a list like name=value,name=value",
    }

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            expected = self._EXPECTED.get(cast, "of another type")
            raise ImproperlyConfigured(f"{var}={self.ENVIRON[var]} should be {expected}.") from None

    @classmethod
    def parse_value(cls, value: str, cast: Any) -> Any:
        if cast is list:
            return _entries(value)
        if cast is dict:
            pairs = (entry.split("=", 1) for entry in _entries(value))
            return {name.strip(): given.strip() for name, given in pairs}
        # environ's own leaves out what is no digit: of "1e3" it makes 13.
        return float(value) if cast is float else super().parse_value(value, cast)


def _entries(value: str) -> list[str]:
    return [entry for part in value.split(",") if (entry := part.strip())]


env = Env()
env.read_env(BASE_DIR / ".env")
