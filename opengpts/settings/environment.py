"""Where settings come from: environment variables, and the file `.env` beside `manage.py`."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent


Number = TypeVar("Number", int, Decimal)

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


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

    def limit(self, var: str, kind: Callable[[str], Number], default: Number | None = None) -> Number | None:
        """A limit that need not be: an int or a Decimal; None where it is empty."""
        text = self.str(var, default="").strip()
        if not text:
            return default
        # What a column takes: 8 bytes, or ten digits before the point.
        expected, most = ("a whole number", 2**63) if kind is int else ("a number", 10**10)
        try:
            limit = kind(text)
            possible = 0 <= limit < most
        except (ValueError, InvalidOperation):
            possible = False
        if not possible:
            raise ImproperlyConfigured(f"{var}={text} should be {expected} from 0 to {most}, or empty for no limit.")
        return limit

    def rate(self, var: str, default: str) -> Rate | None:
        """A rate such as 10/second or 3000/minute; None where it is empty."""
        text = self.str(var, default=default).strip()
        if not text:
            return None
        requests, _, period = text.partition("/")
        seconds = _SECONDS.get(period.strip().lower())
        if seconds is None or not (requests.strip().isascii() and requests.strip().isdigit()) or not int(requests):
            raise ImproperlyConfigured(
                f"{var}={text} should be like 10/second (or minute, hour, day), or empty for no limit."
            )
        return Rate(int(requests), seconds)

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
