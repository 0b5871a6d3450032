"""A server of each AUTH_TYPE, in the process of the tests."""

from typing import Any

from tests.tokens import JWT_LOCAL


def use(settings: Any, auth_type: str, **more: Any) -> None:
    """Have the settings of a deployment with that AUTH_TYPE: nobody is anybody by default."""
    settings.AUTH_TYPE = auth_type
    settings.AUTH_DEFAULT_USER = None
    for name, value in more.items():
        setattr(settings, name, value)


def use_jwt_local(settings: Any) -> None:
    """AUTH_TYPE=jwt_local, for the tokens of `tests.tokens`."""
    use(settings, "jwt_local")
    for name, value in JWT_LOCAL.items():
        setattr(settings, name, value.split(",") if name == "JWT_AUD" else value)
