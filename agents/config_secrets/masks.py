"""What is shown in place of secrets."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

MASK = "***"

_URL = re.compile(
    r"(?P<scheme>\s*[a-z][a-z0-9+.-]*://)((?P<user>[^/?#]*)@)?(?P<place>[^?#]*)(\?(?P<query>[^#]*))?(#(?P<fragment>.*))?",
    re.IGNORECASE | re.DOTALL,
)

# A part of an address that may be secret: of the query its name, and the how-manieth of that name it is.
_Slot = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Part:
    """`before` stands before the `value` in the address. Without a slot there is no value."""

    before: str
    slot: _Slot | None = None
    value: str = ""


def is_url(text: str) -> bool:
    """Whether `text` is an address with a scheme."""
    return _URL.fullmatch(text) is not None


def masked_url(url: str) -> str:
    """`url` with `***` for its user info, the values in its query, and its fragment; itself where it has none.

    What is no address, and may yet have some of them, is hidden as a whole.
    """
    if not is_url(url):
        return MASK if re.search("[?@#=]", url) else url
    return "".join(part.before + (MASK if part.value else "") for part in _parts(url))


def has_masks(url: str) -> bool:
    """Whether a part of it stands for what is stored."""
    return any(_is_mask(part.value) for part in _parts(url))


def unmasked_url(url: str, stored: str) -> str | None:
    """`url` with the values of `stored` in place of its masks; None where one of them has none there."""
    values = {part.slot: part.value for part in _parts(stored) if part.slot and part.value}
    text = ""
    for part in _parts(url):
        value: str | None = part.value
        if part.slot and _is_mask(part.value):
            value = values.get(part.slot)
        if value is None:
            return None
        text += part.before + value
    return text


def _is_mask(value: str) -> bool:
    return unquote(value) == MASK


def _parts(url: str) -> Iterator[_Part]:
    found = _URL.fullmatch(url)
    if found is None:
        yield _Part(url)
        return
    yield _Part(found["scheme"])
    if found["user"] is not None:
        yield _Part("", ("user", "", 0), found["user"])
        yield _Part("@")
    yield _Part(found["place"])
    if found["query"] is not None:
        seen: Counter[str] = Counter()
        for index, pair in enumerate(found["query"].split("&")):
            name, equals, value = pair.partition("=")
            if not equals:  # a key without a name
                name, value = "", name
            seen[name] += 1
            yield _Part(("&" if index else "?") + name + equals, ("query", name, seen[name]), value)
    if found["fragment"] is not None:
        yield _Part("#", ("fragment", "", 0), found["fragment"])
