"""What front ends build their forms from: `/tools` and the schemas."""

import pytest
from django.core.management import call_command
from pytest_django import Settings

from agents import schemas
from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/tools", "/tools/"])
@pytest.mark.parametrize("user", ["alice", None])
def test_tools(settings: Settings, path: str, user: str | None) -> None:
    settings.TOOLS = ["tests.integration.test_catalogues.tell_time"]
    settings.TAVILY_API_KEY = ""
    response = APIClient(user)("GET", path)
    assert response.status_code == 200
    tools = {tool["type"]: tool for tool in response.json()}
    assert tools["wikipedia"] | {"config_schema": {}} == {
        "type": "wikipedia",
        "name": "Wikipedia",
        "description": "Searches [Wikipedia](https://www.wikipedia.org/).",
        "available": True,
        "reason": None,
        "multi_use": False,
        "config_schema": {},
    }
    assert tools["wikipedia"]["config_schema"]["properties"] == {}
    assert tools["search_tavily"]["reason"] == "Search (Tavily) needs TAVILY_API_KEY."
    assert not tools["sec_filings_kai_ai"]["available"]
    assert tools["tell_time"]["description"] == "Say what time it is."


def tell_time() -> str:
    """Say what time it is."""
    return "late"


@pytest.mark.parametrize("name", ["config_schema", "input_schema", "output_schema"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_schemas(name: str, slash: str) -> None:
    response = APIClient("alice")("GET", f"/runs/{name}{slash}")
    assert (response.status_code, response.json()) == (200, getattr(schemas, name)())


@pytest.mark.parametrize(
    "path", ["/tools", "/models", "/runs/config_schema", "/runs/input_schema", "/runs/output_schema"]
)
def test_they_need_somebody(settings: Settings, path: str) -> None:
    settings.AUTH_DEFAULT_USER = None
    assert APIClient(None)("GET", path).status_code == 401
    assert APIClient("alice")("POST", path, {}).status_code == 405


def test_they_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate")
    text = capsys.readouterr().out
    for path in (
        "tools/",
        "models/",
        "runs/config_schema/",
        "runs/input_schema/",
        "runs/output_schema/",
        "media/images/{name}",
    ):
        assert f"\n  /{path}:\n" in text


def test_what_may_be_null_and_what_money_is_counted_in_are_documented() -> None:
    schemas = APIClient()("GET", "/openapi.json").json()["components"]["schemas"]
    run, model = (schemas[name]["properties"] for name in ("Run", "Model"))
    for field, name in (("error", "RunError"), ("usage", "RunUsage")):
        assert run[field]["oneOf"] == [{"$ref": f"#/components/schemas/{name}"}, {"type": "null"}]
    assert (run["model"]["type"], run["cost"]["type"]) == (["string", "null"], ["string", "null"])
    assert "USD" in run["cost"]["description"]
    for price in ("input_price", "output_price"):
        assert "USD per million tokens" in model[price]["description"]
