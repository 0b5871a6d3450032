"""The way out to users' addresses, against servers on loopback that behave badly."""

import asyncio
import datetime
import gzip
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from agents.outgoing.client import Answer, call, open_client
from agents.outgoing.errors import AddressRefused, OutgoingError
from agents.outgoing.inflation import Inflater, TooMuch
from agents.outgoing.transport import Limits
from tests.fakes.web_server import Asked, Reply, WebServer, redirect

pytestmark = pytest.mark.once

SMALL = Limits(seconds=5, bytes=1000)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A server that answers "hello" at /."""
    with WebServer().running() as server:
        server.on("/", Reply("hello"))
        yield server


@pytest.fixture
def other() -> Iterator[WebServer]:
    """Another one: its port makes it another origin."""
    with WebServer().running() as server:
        server.on("/", Reply("elsewhere"))
        yield server


@pytest.fixture
def loopback(settings: Settings) -> None:
    """Loopback may be called."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]


async def get(url: str, limits: Limits = SMALL, headers: dict[str, str] | None = None) -> Answer:
    return await call("GET", url, headers=headers, limits=limits)


# Who may be called


LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "127。0。0。1",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",  # full-width digits
    "①②⑦.⓪.⓪.①",
    "ⓛocalhost",
    "0177.0.0.1",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.com",
    "user:password@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com\\@127.0.0.1",
    "127.0.0.1\\@example.com",
    "a..b",
    "-",
]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_no_spelling_of_loopback_is_called(web: WebServer, host: str) -> None:
    with pytest.raises(OutgoingError):
        await get(f"http://{host}:{web.port}/")
    assert web.connections == 0


@pytest.mark.parametrize("host", ["localhost", "0x7f.1", "127.1", "2130706433", "no-such-host.invalid"])
async def test_what_a_host_resolves_to_is_not_told(web: WebServer, host: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        await get(f"http://{host}:{web.port}/")
    said = "it has no public internet address, and OUTGOING_ALLOW of this server does not name it."
    assert caught.value.message == f"{host} cannot be called: {said}"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "unix:/run/x", "http:\\\\127.0.0.1\\", "//x"]
)
async def test_nothing_but_http(url: str) -> None:
    with pytest.raises(OutgoingError):
        await get(url)


async def test_no_password_in_the_address(web: WebServer, loopback: None) -> None:
    with pytest.raises(OutgoingError, match="no user name or password in it"):
        await get(web.url.replace("//", "//user:password@"))
    assert web.connections == 0


@pytest.mark.parametrize("allow", ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:{port}", "LocalHost", "localhost:{port}"])
async def test_the_setting_lets_it_through(web: WebServer, settings: Settings, allow: str) -> None:
    settings.OUTGOING_ALLOW = ["other.example", allow.format(port=web.port), "::1"]
    host = "localhost" if "ocal" in allow.lower() else "127.0.0.1"
    answer = await get(f"http://{host}:{web.port}/")
    assert (answer.status, answer.text) == (200, "hello")
    assert web.asked[0].headers["host"] == f"{host}:{web.port}"


async def test_it_connects_to_the_address_that_was_checked(web: WebServer, settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        # Rebinding: whoever resolves again is sent to where nothing may be.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async with open_client(limits=SMALL, resolve=resolve) as client:
        response = await client.get(f"http://rebinding.test:{web.port}/")
    assert response.text == "hello"
    assert asked == ["rebinding.test"]
    assert web.asked[0].headers["host"] == f"rebinding.test:{web.port}"


async def test_each_connection_is_checked(web: WebServer, settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    answers = [["127.0.0.1"], ["127.0.0.1", "10.0.0.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async with open_client(limits=SMALL, resolve=resolve) as client:
        await client.get(f"http://rebinding.test:{web.port}/")
        with pytest.raises(AddressRefused):
            await client.get(f"http://rebinding.test:{web.port}/")
    assert web.connections == 1


async def test_the_next_address_is_tried(web: WebServer, settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8", "::1"]

    async def resolve(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]  # the server listens on IPv4 only

    async with open_client(limits=SMALL, resolve=resolve) as client:
        assert (await client.get(f"http://two.test:{web.port}/")).text == "hello"


async def test_the_environments_proxies_are_not_asked(
    web: WebServer, other: WebServer, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    assert (await get(web.url)).text == "hello"
    assert other.connections == 0


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for tool.test, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tool.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("tool.test"), x509.IPAddress(ip_address("192.0.2.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


async def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_tls_is_with_the_host_and_not_with_the_address(
    authority: tuple[ssl.SSLContext, ssl.SSLContext], loopback: None
) -> None:
    server_tls, client_tls = authority
    names: list[str | None] = []
    server_tls.sni_callback = lambda connection, name, context: names.append(name)
    with WebServer(server_tls).running() as server:
        server.on("/", Reply("hello"))
        async with open_client(limits=SMALL, resolve=to_loopback, tls=client_tls) as client:
            assert (await client.get(f"https://tool.test:{server.port}/")).text == "hello"
            with pytest.raises(OutgoingError, match=r"certificate of other\.test:\d+ is not valid"):
                await client.get(f"https://other.test:{server.port}/")
        async with open_client(limits=SMALL, resolve=to_loopback) as client:
            with pytest.raises(OutgoingError, match=r"certificate of tool\.test:\d+ is not valid"):
                await client.get(f"https://tool.test:{server.port}/")
    assert names == ["tool.test", "other.test", "tool.test"]


async def test_a_redirect_does_not_leave_tls(
    authority: tuple[ssl.SSLContext, ssl.SSLContext], web: WebServer, loopback: None
) -> None:
    server_tls, client_tls = authority
    with WebServer(server_tls).running() as server:
        server.on("/", redirect(web.url))
        async with open_client(limits=SMALL, resolve=to_loopback, tls=client_tls) as client:
            with pytest.raises(OutgoingError, match="from https to http"):
                await client.get(f"https://tool.test:{server.port}/")
    assert web.connections == 0


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_origin_keeps_the_headers(web: WebServer, loopback: None, status: int) -> None:
    url = web.on("/old", redirect("/?a=b", status))
    answer = await get(url, headers={"Authorization": "Bearer secret"})
    assert answer.text == "hello"
    assert [(asked.target, asked.headers.get("authorization")) for asked in web.asked] == [
        ("/old", "Bearer secret"),
        ("/?a=b", "Bearer secret"),
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_loses_them(
    web: WebServer, other: WebServer, loopback: None, status: int
) -> None:
    url = web.on("/old", redirect(other.url + "/", status))
    answer = await get(url, headers={"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret"})
    assert answer.text == "elsewhere"
    assert set(other.asked[0].headers) <= {"host", "accept", "accept-encoding", "user-agent"}
    assert other.asked[0].headers["host"] == f"127.0.0.1:{other.port}"


async def test_what_changes_something_is_not_sent_elsewhere(web: WebServer, other: WebServer, loopback: None) -> None:
    for status in (301, 302, 307, 308):
        url = web.on("/old", redirect(other.url + "/", status))
        with pytest.raises(OutgoingError, match="redirects elsewhere"):
            await call("POST", url, content=b"secret", limits=SMALL)
    assert other.connections == 0


async def test_a_post_is_sent_again_within_the_origin(web: WebServer, loopback: None) -> None:
    url = web.on("/old", redirect("/new", 307))
    web.on("/new", lambda asked: Reply(asked.body, headers={"X-Method": asked.method}))
    assert (await call("POST", url, content=b"body", limits=SMALL)).text == "body"
    assert web.asked[-1].method == "POST"


async def test_303_is_read_and_not_sent(web: WebServer, loopback: None) -> None:
    url = web.on("/old", redirect("/", 303))
    assert (await call("POST", url, content=b"body", headers={"X-Api-Key": "secret"}, limits=SMALL)).text == "hello"
    assert (web.asked[-1].method, web.asked[-1].body, "x-api-key" in web.asked[-1].headers) == ("GET", b"", False)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]:{port}/",
        "http://2130706434:{port}/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://user:password@127.0.0.1:{port}/",
        "http://127.0.0.1:25/",
        "http://[::1",
    ],
)
async def test_a_redirect_to_a_forbidden_address(web: WebServer, loopback: None, location: str) -> None:
    url = web.on("/old", redirect(location.format(port=web.port)))
    with pytest.raises(OutgoingError):
        await get(url)
    assert [asked.target for asked in web.asked] == ["/old"]


async def test_redirects_without_end(web: WebServer, loopback: None) -> None:
    url = web.on("/old", redirect("/old"))
    with pytest.raises(OutgoingError, match="redirects more than 5 times"):
        await get(url)
    assert len(web.asked) == 6


# Size


async def test_an_answer_that_announces_too_much(web: WebServer, loopback: None) -> None:
    with pytest.raises(OutgoingError, match="sent more than"):
        await get(web.on("/big", Reply("x" * 1001)))
    assert len((await get(web.on("/fits", Reply("x" * 1000)))).body) == 1000


async def test_an_answer_without_end(web: WebServer, loopback: None) -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 100

    with pytest.raises(OutgoingError, match="sent more than"):
        await get(web.on("/endless", Reply(pieces=pieces(), delay=0.001)))
    count = len(sent)
    await asyncio.sleep(0.2)
    assert len(sent) < count + 100


async def test_gzip_is_unpacked(web: WebServer, loopback: None) -> None:
    packed = gzip.compress(b"hello ") + gzip.compress(b"world")
    answer = await get(web.on("/packed", Reply(packed, headers={"Content-Encoding": "gzip"})))
    assert answer.text == "hello world"
    assert web.asked[0].headers["accept-encoding"] == "gzip"


async def test_a_bomb_is_not(web: WebServer, loopback: None) -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
    url = web.on("/bomb", Reply(bomb, headers={"Content-Encoding": "gzip"}))
    begun = time.monotonic()
    with pytest.raises(OutgoingError, match="sent more than 1024 KiB"):
        await get(url, Limits(seconds=20, bytes=1024 * 1024))
    assert time.monotonic() - begun < 2


def test_a_bomb_takes_no_more_memory_than_its_limit() -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024), 9)
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            Inflater(1024 * 1024).feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(b"x" * 500)[:-10], zlib.compress(b"x")],
    ids=["none", "cut off", "another"],
)
async def test_gzip_that_is_none(web: WebServer, loopback: None, body: bytes) -> None:
    with pytest.raises(OutgoingError, match="cannot be unpacked"):
        await get(web.on("/broken", Reply(body, headers={"Content-Encoding": "gzip"})))


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "nonsense"])
async def test_other_encodings(web: WebServer, loopback: None, encoding: str) -> None:
    with pytest.raises(OutgoingError, match="not asked for"):
        await get(web.on("/packed", Reply(b"x", headers={"Content-Encoding": encoding})))


@pytest.mark.parametrize("charset", ["zlib", "bz2_codec", "base64", "idna", "unicode_escape", "nonsense"])
async def test_a_charset_that_python_would_unpack(web: WebServer, loopback: None, charset: str) -> None:
    body = zlib.compress(b"x" * 100_000)
    url = web.on("/odd", Reply(body, headers={"Content-Type": f"text/plain; charset={charset}"}))
    answer = await get(url)
    assert len(answer.text) <= len(body)
    assert answer.content_type == "text/plain"


async def test_a_known_charset_is_used(web: WebServer, loopback: None) -> None:
    url = web.on("/old", Reply("Käse".encode("latin-1"), headers={"Content-Type": 'text/plain; charset="ISO-8859-1"'}))
    assert (await get(url)).text == "Käse"


# Time


async def test_headers_that_do_not_come(web: WebServer, loopback: None) -> None:
    def wait(asked: Asked) -> Reply:
        time.sleep(2)
        return Reply("late")

    begun = time.monotonic()
    with pytest.raises(OutgoingError, match="did not answer in time"):
        await get(web.on("/slow", wait), Limits(seconds=0.3))
    assert time.monotonic() - begun < 1.5


async def test_a_body_that_drips(web: WebServer, loopback: None) -> None:
    # Each piece comes soon; only the whole takes too long.
    url = web.on("/drip", Reply(pieces=iter([b"x"] * 100), delay=0.05))
    begun = time.monotonic()
    with pytest.raises(OutgoingError, match="did not answer in time"):
        await get(url, Limits(seconds=0.5))
    assert time.monotonic() - begun < 1.5


async def test_redirects_share_the_time(web: WebServer, loopback: None) -> None:
    def wait(asked: Asked) -> Reply:
        time.sleep(0.3)
        return redirect("/slow")

    begun = time.monotonic()
    with pytest.raises(OutgoingError, match="did not answer in time"):
        await get(web.on("/slow", wait), Limits(seconds=0.7))
    assert time.monotonic() - begun < 1.5


async def test_a_resolver_that_hangs(loopback: None) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async with open_client(limits=Limits(seconds=0.2), resolve=resolve) as client:
        with pytest.raises(OutgoingError, match="did not answer in time"):
            await client.get("http://slow.test/")


async def test_cancelling_ends_it(web: WebServer, loopback: None) -> None:
    task = asyncio.create_task(get(web.on("/drip", Reply(pieces=iter([b"x"] * 100), delay=0.05))))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Other failures


async def test_nobody_listens(loopback: None, unused_tcp_port: int) -> None:
    with pytest.raises(OutgoingError, match=rf"127\.0\.0\.1:{unused_tcp_port} could not be reached") as caught:
        await get(f"http://127.0.0.1:{unused_tcp_port}/")
    assert (caught.value.code, caught.value.status) == ("outgoing_failed", 502)


async def test_an_answer_that_is_cut_off(web: WebServer, loopback: None) -> None:
    url = web.on("/cut", Reply(pieces=iter([b"hel"]), headers={"Content-Length": "5"}))
    with pytest.raises(OutgoingError, match="broke before"):
        await get(url)


async def test_a_server_that_speaks_no_http(loopback: None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(OutgoingError, match="broke before"):
            await get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def test_headers_without_end(loopback: None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"X: " + b"x" * 10_000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(OutgoingError, match="broke before"):
            await get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def test_a_header_that_cannot_be_sent_is_not_repeated(web: WebServer, loopback: None) -> None:
    with pytest.raises(OutgoingError) as caught:
        await get(web.url, headers={"X-Api-Key": "secret\r\nX: y"})
    assert "secret" not in caught.value.message


async def test_errors_are_told_to_who_asked_to_know(web: WebServer, loopback: None) -> None:
    told: list[tuple[str, str]] = []
    async with open_client(limits=SMALL, on_failure=lambda method, exc: told.append((method, exc.message))) as client:
        with pytest.raises(OutgoingError):
            await client.post(web.on("/big", Reply("x" * 2000)))
    assert told == [("POST", f"127.0.0.1:{web.port} sent more than 0 KiB.")]
