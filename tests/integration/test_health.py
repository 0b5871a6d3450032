import json

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection
from pytest_django import Settings

from knowledge.schemas import parse_config
from tests.client import APIClient


@pytest.mark.once
def test_alive() -> None:
    for path in ("/ok", "/ok/"):
        assert APIClient()("GET", path).json() == {"ok": True}


@pytest.mark.django_db
def test_ready_says_which_model_is_the_default(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "x"
    answer = APIClient()("GET", "/health").json()
    documents = {"embedding_model": "wordllama:l2_supercat_256", "problem": None, "to_reembed": 0}
    model = {"label": "GPT 3.5 Turbo", "problem": None}
    assert answer == {"status": "ok", "model": model, "documents": documents}
    settings.OPENAI_API_KEY, settings.LOCAL_MODEL = "", "off"
    answer = APIClient()("GET", "/health").json()
    assert answer["status"] == "ok"
    assert "OPENAI_API_KEY" in answer["model"]["problem"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("embeddings", "says"),
    [
        ("none", None),
        ("bogus", "names no model"),
        ("openai:", "names no model"),
        ("foo:bar", "a provider that is not known"),
        ("cohere:embed-v4.0", "a package that is not installed: langchain-cohere"),
        ("openai:text-embedding-3-small", "needs OPENAI_API_KEY"),
    ],
)
def test_what_keeps_documents_from_having_vectors_is_said(
    settings: Settings, embeddings: str, says: str | None
) -> None:
    settings.EMBEDDINGS, settings.OPENAI_API_KEY = embeddings, ""
    problem = APIClient()("GET", "/health").json()["documents"]["problem"]
    warnings = [str(found.msg) for found in run_checks() if found.id == "knowledge.W001"]
    if says is None:
        assert problem is None
        assert warnings == []
    else:
        assert says in problem
        assert warnings == [problem]


@pytest.mark.django_db
def test_not_ready_without_the_database() -> None:
    def refuse(*args: object) -> None:
        raise DatabaseError("gone")

    with connection.execute_wrapper(refuse):
        response = APIClient()("GET", "/health")
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["text/html", "text/plain", "text/event-stream", "image/*", "nonsense"])
def test_the_answer_is_json_whatever_a_client_says_it_accepts(accept: str) -> None:
    for path in ("/assistants/", "/openapi.json"):
        response = APIClient()("GET", path, accept=accept)
        assert response.status_code == 200
        assert "json" in response.headers["Content-Type"]


@pytest.mark.once
@pytest.mark.parametrize("path", ["/nope", "/assistants/x/y/z", "/threads/1/nope"])
def test_addresses_that_are_none(path: str) -> None:
    response = APIClient()("GET", path)
    assert response.status_code == 404
    assert response.json() == {"detail": "Not Found"}


@pytest.mark.django_db
def test_the_documentation_names_every_route() -> None:
    document = APIClient()("GET", "/openapi.json").json()
    routes = {f"{method.upper()} {path.rstrip('/')}" for path, item in document["paths"].items() for method in item}
    assert routes >= {
        "GET /assistants",
        "POST /assistants",
        "GET /assistants/public",
        "GET /assistants/{id}",
        "PUT /assistants/{id}",
        "DELETE /assistants/{id}",
        "GET /threads",
        "POST /threads",
        "GET /threads/{id}",
        "PUT /threads/{id}",
        "DELETE /threads/{id}",
        "GET /threads/{id}/state",
        "POST /threads/{id}/state",
        "GET /threads/{id}/history",
        "GET /threads/{id}/branches",
        "POST /runs",
        "POST /runs/stream",
        "GET /runs/{id}",
        "GET /models",
    }
    assert APIClient()("GET", "/docs").status_code == 200


@pytest.mark.django_db
def test_the_documentation_of_documents_says_what_they_answer() -> None:
    document = APIClient()("GET", "/openapi.json").json()
    schemas, paths = document["components"]["schemas"], document["paths"]
    error = schemas["Document"]["properties"]["error"]
    assert error["oneOf"] == [{"$ref": "#/components/schemas/DocumentError"}, {"type": "null"}]
    assert set(schemas["DocumentError"]["properties"]) == {"code", "message"}
    ingest = paths["/ingest/"]["post"]
    assert {"400", "403", "404", "413", "415", "422", "502", "503"} <= set(ingest["responses"])
    example = ingest["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["config"]["example"]
    assert parse_config(json.dumps(example))[1] == []
    upload = paths["/threads/{id}/documents/"]["post"]
    assert [parameter["name"] for parameter in upload["parameters"]] == ["id"]
    assert upload["responses"]["202"]["content"]["application/json"]["schema"]["type"] == "array"
