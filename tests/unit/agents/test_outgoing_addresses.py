"""Which addresses are public, and what OUTGOING_ALLOW opens."""

from ipaddress import ip_address

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from agents.outgoing.addresses import allow_list, callable_addresses, is_public
from agents.outgoing.errors import AddressRefused
from agents.outgoing.urls import check_header_name, check_header_value, check_url

pytestmark = pytest.mark.once

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's
    "169.254.169.254",  # most clouds'
    "169.254.170.2",  # Amazon's for containers
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle's
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b:1::1",  # NAT64 within a network
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's
    "fd20:ce::254",  # Google's
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


async def addresses(host: str, port: int, *found: str, allow: str = "") -> list[str]:
    """What may be called for a host that has these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        if not found:
            raise OSError("unknown")
        return list(found)

    allowed = allow_list(tuple(allow.split(",")))
    return await callable_addresses(host, port, allowed=allowed, resolve=resolve)


async def test_public_addresses_may_be_called() -> None:
    assert await addresses("a.test", 443, "1.1.1.1", "2606:4700::1") == ["1.1.1.1", "2606:4700::1"]


async def test_one_address_that_is_not_public_spoils_the_host() -> None:
    with pytest.raises(AddressRefused):
        await addresses("a.test", 443, "1.1.1.1", "10.0.0.1")


async def test_mapped_addresses_are_called_as_what_they_are() -> None:
    assert await addresses("a.test", 443, "::ffff:1.1.1.1") == ["1.1.1.1"]


async def test_refused_and_unknown_hosts_cannot_be_told_apart() -> None:
    messages = set()
    for found in ([], ["10.1.2.3"], ["127.0.0.1"], ["1.1.1.1", "192.168.0.9"], ["nonsense"]):
        with pytest.raises(AddressRefused) as caught:
            await addresses("db.internal", 8000, *found)
        messages.add(caught.value.message)
    assert messages == {
        "db.internal cannot be called: it has no public internet address, and OUTGOING_ALLOW of this server does not "
        "name it."
    }
    assert caught.value.status == 422


@pytest.mark.parametrize("port", [1, 22, 25, 53, 110, 445, 853, 1023])
async def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(AddressRefused, match=f"Port {port} "):
        await addresses("a.test", port, "1.1.1.1")


@pytest.mark.parametrize(
    ("allow", "host", "port", "found"),
    [
        ("a.test", "a.test", 8000, "10.0.0.1"),
        ("A.Test", "a.test", 443, "10.0.0.1"),
        ("a.test", "A.TEST.", 443, "10.0.0.1"),
        ("a.test.", "a.test", 443, "10.0.0.1"),
        ("a.test:8000", "a.test", 8000, "10.0.0.1"),
        ("a.test:25", "a.test", 25, "10.0.0.1"),
        ("10.0.0.0/8", "a.test", 8000, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", 8000, "10.0.0.1"),
        ("10.0.0.1:81", "a.test", 81, "10.0.0.1"),
        ("10.0.0.0/8:81", "a.test", 81, "10.0.0.1"),
        ("127.0.0.1", "a.test", 8000, "::ffff:127.0.0.1"),
        ("::1", "localhost", 8000, "::1"),
        ("[::1]", "localhost", 8000, "::1"),
        ("[::1]:8000", "localhost", 8000, "::1"),
        ("fd00::/8", "a.test", 8000, "fd12::1"),
        ("b.test, a.test", "a.test", 8000, "10.0.0.1"),
    ],
)
async def test_the_setting_opens(allow: str, host: str, port: int, found: str) -> None:
    assert len(await addresses(host, port, found, allow=allow)) == 1


@pytest.mark.parametrize(
    ("allow", "host", "port", "found"),
    [
        ("", "a.test", 8000, "10.0.0.1"),
        ("a.test", "b.a.test", 8000, "10.0.0.1"),
        ("a.test", "a.test.evil.test", 8000, "10.0.0.1"),
        ("a.test:8000", "a.test", 8001, "10.0.0.1"),
        ("a.test:25", "b.test", 25, "1.1.1.1"),
        ("a.test", "a.test", 25, "10.0.0.1"),
        ("10.0.0.0/8", "a.test", 8000, "11.0.0.1,192.168.0.1"),
        ("10.0.0.0/8", "a.test", 25, "10.0.0.1"),
        ("127.0.0.1", "localhost", 8000, "::1"),
        ("::1", "localhost", 8000, "127.0.0.1"),
    ],
)
async def test_the_setting_opens_nothing_else(allow: str, host: str, port: int, found: str) -> None:
    with pytest.raises(AddressRefused):
        await addresses(host, port, *found.split(","), allow=allow)


@pytest.mark.parametrize(
    "entry", ["http://a.test", "a.test/path", "a b", "*.a.test", "a.test:99999", "10.0.0.0/33", "[::1"]
)
def test_an_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="OUTGOING_ALLOW"):
        allow_list((entry,))


def test_a_wrong_setting_is_told_at_the_start(settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["http://a.test"]
    with pytest.raises(ImproperlyConfigured, match=r"OUTGOING_ALLOW: 'http://a.test' is no host name"):
        apps.get_app_config("agents").ready()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.test/",
        "file:///etc/passwd",
        "gopher://a.test/",
        "//a.test/",
        "a.test",
        "http://",
        "http:///path",
        "http:/a.test",
        "http://user:password@a.test/",
        "http://user@a.test/",
        "http://a.test\\@b.test/",
        "http:\\\\a.test",
        "http://a.test/a b",
        "http://a.test\n/",
        "http://a.test:0/",
        "http://a.test:99999/",
        "http://a.test:port/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://%31%32%37.0.0.1/",
        "http://a.test%00.b.test/",
        "",
    ],
)
def test_what_is_no_address_of_a_web_server(url: str) -> None:
    with pytest.raises(ValueError, match=r"^should "):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://a.test", "http://1.2.3.4:8000/x?y=z", "https://[2606::1]/", "https://bücher.test/"]
)
def test_what_is_one(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "a b", "a:b", "a\r\nb", ""])
def test_headers_that_cannot_be_set(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        check_header_name(name)


@pytest.mark.parametrize("value", ["secret\r\nX: 1", "secret\0", "secret\u2028"])
def test_values_that_cannot_stand_in_a_header_are_not_repeated(value: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        check_header_value(value)
    assert "secret" not in str(caught.value)
