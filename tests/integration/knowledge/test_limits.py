"""What is too large is refused while it is received, and the server takes what is not."""

import pytest

from tests.databases import new_database
from tests.live_client import LiveClient
from tests.live_server import LiveServer

pytestmark = pytest.mark.acceptance

LIMITS = {"INGEST_MAX_FILE_BYTES": "2000000", "INGEST_MAX_REQUEST_BYTES": "3000000", "MAX_BODY_BYTES": "1000000"}


def test_each_limit_holds(request: pytest.FixtureRequest) -> None:
    with new_database() as url, LiveServer(url, server=request.config.getoption("--server"), **LIMITS) as server:
        client = LiveClient(server.url)
        thread = client.make_thread()
        path = f"/threads/{thread}/documents"
        large = ("large.txt", b"heron " * 300_000)
        assert client.upload(path, [large]).status_code == 202, "uploads may be larger than other bodies"
        for files, limit in (
            ([("too-large.txt", b"x" * 2_000_001)], "INGEST_MAX_FILE_BYTES"),
            ([large, ("other.txt", b"x" * 1_500_000)], "INGEST_MAX_REQUEST_BYTES"),
        ):
            response = client.upload(path, files)
            assert response.status_code == 413
            assert limit in response.json()["detail"]
        elsewhere = client.upload("/threads", [large])
        assert elsewhere.status_code == 413
        assert "MAX_BODY_BYTES" in elsewhere.json()["detail"]
        assert [row["name"] for row in client.get(path)] == ["large.txt"]
