"""The OpenAPI document: valid, whole, and with the limits in it."""

import json
from typing import Any

import pytest
from django.core.management import call_command

from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = APIClient()("GET", "/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method} {path}": op for path, methods in document["paths"].items() for method, op in methods.items()}


def test_it_is_valid_openapi_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--format=openapi-json", "--validate", "--fail-on-warn")
    written = capsys.readouterr()
    assert json.loads(written.out)["openapi"].startswith("3.1")
    assert "arning" not in written.err


def test_every_operation_says_what_it_may_refuse(document: dict[str, Any]) -> None:
    refusal = {"$ref": "#/components/schemas/Refusal"}
    for name, operation in operations(document).items():
        assert operation["responses"]["default"]["content"]["application/json"]["schema"] == refusal, name
        assert operation["summary"], name
        if operation.get("security"):
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"], name
        if "requestBody" in operation:
            assert operation["requestBody"]["required"], name
            assert set(operation["requestBody"]["content"]) <= {"application/json", "multipart/form-data"}, name


def test_streams_are_in_it(document: dict[str, Any]) -> None:
    streams = [
        name
        for name, operation in operations(document).items()
        if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())
    ]
    assert streams == ["get /runs/{id}/stream/", "post /runs/stream/", "post /threads/{thread_id}/stream/events/"]


def test_the_limits_are_in_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    name = schemas["AssistantBody"]["properties"]["name"]
    assert (name["maxLength"], name["pattern"]) == (255, r"^[^\x00]*$")
    assert schemas["ScheduleBody"]["properties"]["cron"]["maxLength"] == 100
    assert schemas["Resume"]["properties"]["decisions"]["maxItems"] == 128
    assert schemas["SubscribeBody"]["properties"]["channels"]["maxItems"] == 64
    for operation in operations(document).values():
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            if schema["type"] == "integer":
                assert {"minimum", "maximum"} <= schema.keys(), parameter
            if parameter["in"] == "path" and parameter["name"].endswith("id"):
                assert schema["format"] == "uuid", parameter
