"""No test reaches anything but this machine."""

import asyncio
import socket
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

pytestmark = pytest.mark.once

# TEST-NET-1: reserved for documentation, so nothing is harmed if the guard is gone.
ELSEWHERE = ("192.0.2.1", 80)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_another_machine_cannot_be_reached() -> None:
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection(ELSEWHERE, timeout=1)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
async def test_nor_from_an_event_loop() -> None:
    with pytest.raises(SocketConnectBlockedError):
        await asyncio.open_connection(*ELSEWHERE)


def test_loopback_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_unix_sockets_can_be_reached(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(address)
        server.listen()
        client.connect(address)
