"""Which API keys may ask for what. It fails closed: what says nothing of keys is for people."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from accounts.scopes import Scope
from opengpts.auth.identified import Identified
from opengpts.errors import Forbidden

View = TypeVar("View", bound=Callable[..., Any])

# What one endpoint needs of an API key: a scope, nothing but being one, or something that no key has.
Need = Scope | Literal["any key"] | None
ANY_KEY: Literal["any key"] = "any key"
PEOPLE: None = None
# What each action of a viewset needs, or each method of another view, by its name in lower case.
Needs = Mapping[str, Need]


def require(identified: Identified, need: Need) -> None:
    """Raises `Forbidden` where an API key asks for what it was not made for."""
    scopes = identified.scopes
    if scopes is None or need == ANY_KEY:
        return
    if need is PEOPLE:
        raise Forbidden("An API key may not do this. A person may, who is logged in.", bearer=INSUFFICIENT)
    if need not in scopes:
        message = f"This API key has not the scope {need}, which this needs. It has: {', '.join(sorted(scopes))}."
        raise Forbidden(message, bearer=f'{INSUFFICIENT}, scope="{need}"')


# As RFC 6750, section 3.1, has it.
INSUFFICIENT = 'error="insufficient_scope"'


def needing(need: Need) -> Callable[[View], View]:
    """Says what a view needs that is a function: for above `api_view`."""

    def say(view: View) -> View:
        vars(view)["cls"].needs = dict.fromkeys(("get", "post", "put", "patch", "delete"), need)
        return view

    return say
