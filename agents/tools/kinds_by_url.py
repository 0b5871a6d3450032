"""The tools that are read from a server: MCP, OpenAPI actions, Action Server, Connery. What their configs hold.

Addresses are only looked at here. Whether this server may call one is decided when it does (`agents.outgoing`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from django.conf import settings
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from agents.outgoing.urls import check_header_name, check_header_value, check_url, origin_of
from agents.tools.kinds import ToolKind

# Seconds that tools which a server told us are kept.
_LASTS = 300.0

_MAX_URL = 2048
_MAX_HEADERS = 32
_MAX_NAMES = 256


def _secret_for_header(value: SecretStr) -> SecretStr:
    check_header_value(value.get_secret_value())
    return value


# The format tells `agents.config_secrets` that there may be keys in its query.
Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=_MAX_URL),
    AfterValidator(check_url),
    Field(json_schema_extra={"format": "uri"}),
]
HeaderName = Annotated[str, AfterValidator(check_header_name)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_secret_for_header)]
Names = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=256)]], Field(max_length=_MAX_NAMES)]


class _Config(BaseModel):
    # Values are secrets: no error repeats them.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class McpConfig(_Config):
    """An MCP server that speaks streamable HTTP. `tools` are the only ones used, all if None; `timeout` is in seconds,
    for each call."""

    url: Url = Field(repr=False)
    headers: Annotated[dict[HeaderName, HeaderSecret], Field(max_length=_MAX_HEADERS)] | None = None
    tools: Names | None = None
    timeout: float = Field(default=30.0, gt=0, le=300)


class BearerAuth(_Config):
    """`Authorization: Bearer <token>`."""

    type: Literal["bearer"]
    token: HeaderSecret


class HeaderAuth(_Config):
    """A header of the API's own."""

    type: Literal["header"]
    name: HeaderName
    value: HeaderSecret


class QueryAuth(_Config):
    """A parameter of the query."""

    type: Literal["query"]
    name: str = Field(min_length=1, max_length=256)
    value: SecretStr


class BasicAuth(_Config):
    """A user name and a password."""

    type: Literal["basic"]
    username: str = Field(max_length=1024)
    password: SecretStr


Auth = Annotated[BearerAuth | HeaderAuth | QueryAuth | BasicAuth, Field(discriminator="type")]


class OpenApiConfig(_Config):
    """An HTTP API that an OpenAPI 3 document describes: given as an object, as JSON or YAML text, or by its address.

    `operations` are the operationIds of the only ones used, all if None. `server_url` stands in for the document's
    first server.
    """

    spec: dict[str, Any] | str | None = Field(default=None, repr=False)
    spec_url: Url | None = Field(default=None, repr=False)
    operations: Names | None = None
    auth: Auth | None = None
    server_url: Url | None = Field(default=None, repr=False)
    timeout: float = Field(default=30.0, gt=0, le=300)

    @model_validator(mode="after")
    def _one_document(self) -> Self:
        if (self.spec is None) == (self.spec_url is None):
            raise ValueError("either spec or spec_url should be given")
        return self


def _openapi_destination(config: Mapping[str, Any]) -> Any:
    """The document says where its API is, unless `server_url` does."""
    urls = (config.get("spec_url"), config.get("server_url"))
    origins = tuple(origin_of(url) if isinstance(url, str) and url else None for url in urls)
    return origins, None if config.get("server_url") else config.get("spec")


class ActionServerConfig(_Config):
    """Where an Action Server is, and its key. As OpenGPTs stored it, so what else stands there is ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    url: Url = Field(repr=False)
    api_key: HeaderSecret = SecretStr("")


class ConneryConfig(_Config):
    """Nothing: the runner is this server's own setting."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


def _connery_missing() -> str | None:
    missing = [name for name in ("CONNERY_RUNNER_URL", "CONNERY_RUNNER_API_KEY") if not getattr(settings, name)]
    return f"AI Action Runner by Connery needs {' and '.join(missing)}." if missing else None


KINDS_BY_URL: list[ToolKind] = [
    ToolKind(
        "action_server_by_sema4ai",
        "Action Server by Sema4.ai",
        "Run AI actions with [Sema4.ai Action Server](https://github.com/Sema4AI/actions).",
        "agents.tools.action_server:build",
        config_model=ActionServerConfig,
        lasts=_LASTS,
        multi_use=True,
    ),
    ToolKind(
        "ai_action_runner_by_connery",
        "AI Action Runner by Connery",
        "Run the actions of a [Connery](https://github.com/connery-io/connery-sdk) runner of your own.",
        "agents.tools.connery:build",
        config_model=ConneryConfig,
        why_not=_connery_missing,
        lasts=_LASTS,
    ),
    ToolKind(
        "mcp",
        "MCP server",
        "Use the tools of an [MCP](https://modelcontextprotocol.io/) server that speaks streamable HTTP.",
        "agents.tools.mcp:build",
        config_model=McpConfig,
        lasts=_LASTS,
        multi_use=True,
    ),
    ToolKind(
        "openapi",
        "OpenAPI actions",
        "Call the operations of an HTTP API that an OpenAPI 3 document describes.",
        "agents.tools.openapi:build",
        config_model=OpenApiConfig,
        lasts=_LASTS,
        multi_use=True,
        destination=_openapi_destination,
    ),
]
