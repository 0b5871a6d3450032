"""The lists: newest first, a page at a time, the total in a header."""

import pytest

from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> APIClient:
    return APIClient("alice")


@pytest.mark.parametrize("kind", ["assistants", "threads"])
def test_newest_first_in_pages(alice: APIClient, kind: str) -> None:
    assistant = alice.make_assistant()
    ids = [alice.make_assistant() for _ in range(5)] if kind == "assistants" else []
    ids = [assistant, *ids] if ids else [alice.make_thread(assistant) for _ in range(6)]
    key = f"{kind[:-1]}_id"

    whole = alice("GET", f"/{kind}/")
    assert [row[key] for row in whole.json()] == ids[::-1]
    assert whole.headers["X-Total-Count"] == "6"

    pages = [alice("GET", f"/{kind}?limit=4&offset={offset}") for offset in (0, 4, 8)]
    assert [row[key] for page in pages for row in page.json()] == ids[::-1]
    assert [page.headers["X-Total-Count"] for page in pages] == ["6", "6", "6"]


def test_a_changed_assistant_is_the_newest(alice: APIClient) -> None:
    first, second = alice.make_assistant(), alice.make_assistant()
    alice("PUT", f"/assistants/{first}", {"name": "changed", "config": {}})
    assert [row["assistant_id"] for row in alice("GET", "/assistants/").json()] == [first, second]


def test_public_assistants_of_everyone(alice: APIClient) -> None:
    public = alice.make_assistant(public=True)
    alice.make_assistant()
    for path in ("/assistants/public", "/assistants/public/"):
        response = APIClient("bob")("GET", path)
        assert [row["assistant_id"] for row in response.json()] == [public]
        assert response.headers["X-Total-Count"] == "1"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "limit=1001", "offset=-1", "offset=1e3", "limit="])
def test_pages_that_cannot_be(alice: APIClient, query: str) -> None:
    response = alice("GET", f"/assistants/?{query}")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


def test_a_page_costs_as_many_queries_as_any(alice: APIClient, django_assert_max_num_queries: object) -> None:
    assistant = alice.make_assistant()
    for _ in range(10):
        alice.make_thread(assistant)
    with django_assert_max_num_queries(3):  # type: ignore[operator]
        alice("GET", "/threads/?limit=5")
