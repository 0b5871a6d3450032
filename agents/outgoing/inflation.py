"""Unpacks gzip with a limit on what comes out: a kilobyte of it can hold a megabyte."""

import zlib


class TooMuch(Exception):
    """More came out than was allowed."""


class Inflater:
    """Unpacks a gzip stream piece by piece, up to `limit` bytes in all."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._member = _new_member()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What `data` unpacks to. Raises `TooMuch`, and zlib.error for what is no gzip."""
        unpacked = b""
        while data:
            if self._member.eof:
                self._member = _new_member()
            self._begun = True
            # One byte more than may be tells the limit from an end.
            unpacked += self._member.decompress(data, self._left - len(unpacked) + 1)
            if len(unpacked) > self._left:
                raise TooMuch
            data = self._member.unused_data
        self._left -= len(unpacked)
        return unpacked

    def finish(self) -> None:
        """Raises zlib.error where the stream was cut off."""
        if self._begun and not self._member.eof:
            raise zlib.error("incomplete")


def _new_member() -> "zlib._Decompress":
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
