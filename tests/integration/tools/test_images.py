"""Images that a tool makes: kept, and shown by an address in the conversation."""

import re
from pathlib import Path

import pytest
from pytest_django import Settings

from agents.errors import ToolFailed
from agents.tools.images import keep_image, read_image, store_image
from tests.client import APIClient
from tests.fakes.tool_services import JPEG
from tests.integration.tools.test_services import use
from tests.services import FakeToolServices

pytestmark = pytest.mark.once


async def test_an_image_is_kept_and_its_address_is_said(services: FakeToolServices) -> None:
    text = await use("dall_e", "a [grey]\npixel")
    shown = re.fullmatch(r"!\[a grey pixel\]\((/media/images/([0-9a-f]{32}\.jpg))\)", text)
    assert shown
    assert read_image(shown[2]) == (JPEG, "image/jpeg")
    assert '"model":"gpt-image-2.5-flare"' in services.requests()[0]["body"].replace(" ", "")


async def test_what_is_no_image_is_not_shown(services: FakeToolServices) -> None:
    with pytest.raises(ToolFailed, match="The image model answered something that cannot be read"):
        await use("dall_e", "EMPTY")


async def test_a_server_may_answer_with_an_address(services: FakeToolServices) -> None:
    assert await use("dall_e", "ADDRESS") == "![ADDRESS](https://images.example/1.png)"


async def test_another_server_and_model(services: FakeToolServices, settings: Settings) -> None:
    settings.OPENAI_BASE_URL, settings.TOOL_URLS = services.urls["dall_e"], {}
    settings.IMAGE_MODEL = "sdxl"
    assert "/media/images/" in await use("dall_e", "a pixel")
    assert '"model":"sdxl"' in services.requests()[0]["body"].replace(" ", "")


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n rest", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_whoever_knows_the_address_sees_it(settings: Settings, tmp_path: Path, data: bytes, content_type: str) -> None:
    settings.MEDIA_ROOT = tmp_path
    address = keep_image(data, store_image)
    assert address
    response = APIClient(None)("GET", address)
    assert (response.status_code, response.content, response["Content-Type"]) == (200, data, content_type)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"]
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", b"RIFF\x00\x00\x00\x00WAVE"])
def test_only_images_are_kept(settings: Settings, tmp_path: Path, data: bytes) -> None:
    settings.MEDIA_ROOT = tmp_path
    assert keep_image(data, store_image) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["0" * 32 + ".jpg", "..", "%2e%2e%2fdb.sqlite3", "0" * 32 + ".svg", "é.jpg"])
def test_other_names_lead_nowhere(settings: Settings, tmp_path: Path, name: str) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    assert read_image(name) is None
    response = APIClient(None)("GET", f"/media/images/{name}")
    assert response.status_code == 404
    assert response.json()["detail"] in ("Image not found", "Not Found")


@pytest.mark.parametrize(
    "data", [b"<svg onload=alert(1)>", b"<script>alert(1)</script>", b"", b"RIFF\x00\x00\x00\x00WAVE"]
)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_file_that_is_no_image_is_not_served(settings: Settings, tmp_path: Path, data: bytes, ending: str) -> None:
    """However it came to be among the images."""
    settings.MEDIA_ROOT = tmp_path
    name = f"{'0' * 32}.{ending}"
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / name).write_bytes(data)
    assert read_image(name) is None
    assert APIClient(None)("GET", f"/media/images/{name}").status_code == 404
