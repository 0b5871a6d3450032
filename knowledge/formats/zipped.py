"""Files that are zip archives of XML: read with a limit on what they unpack to."""

import lzma
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import unquote

from lxml import etree

from knowledge.formats.documents import damaged, locked, too_large

# Bytes. A part of a document is far smaller; a zip bomb is not.
PART_LIMIT = 200 * 1024 * 1024
TOTAL_LIMIT = 400 * 1024 * 1024
# Text packs to a tenth; XML of a long table to a hundredth. What packs better than this holds nothing.
RATIO_LIMIT = 500
RATIO_FROM = 10 * 1024 * 1024
PIECE = 256 * 1024
ENCRYPTED = 0x1
# What `zipfile` raises over bytes that are no archive, or are one in part.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, ValueError, RuntimeError,
    struct.error,
)  # fmt: skip


class Archive:
    """The parts of a zip archive. What has been unpacked counts, not what the archive says of itself.

    Only the parts asked for are unpacked: a bomb among a document's pictures does no harm. `kind` names the
    format in messages ("a Word document").
    """

    def __init__(self, data: bytes, kind: str) -> None:
        self.kind = kind
        self._unpacked = 0
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except _BROKEN:
            raise damaged(kind) from None
        self._names = {info.filename.lstrip("/").lower(): info for info in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def names(self) -> list[str]:
        """Every part, in the archive's order."""
        return [info.filename for info in self._names.values()]

    def read(self, name: str) -> bytes:
        """The bytes of a part. Raises `Unreadable` where it is missing, damaged, locked or over a limit."""
        return b"".join(self._pieces(name))

    def _pieces(self, name: str) -> Iterator[bytes]:
        info = self._names.get(name.lower())
        if info is None:
            raise damaged(self.kind)
        if info.flag_bits & ENCRYPTED:
            raise locked()
        size = 0
        try:
            with self._zip.open(info) as part:
                while piece := part.read(PIECE):
                    size += len(piece)
                    self._unpacked += len(piece)
                    self._check(size, info.compress_size)
                    yield piece
        except _BROKEN:
            raise damaged(self.kind) from None

    def _check(self, size: int, packed: int) -> None:
        bomb = size > RATIO_FROM and size > RATIO_LIMIT * max(packed, 1)
        if bomb or size > PART_LIMIT or self._unpacked > TOTAL_LIMIT:
            raise too_large("unpacked, it is many times its size")

    def xml(self, name: str) -> etree._Element:
        """A part as XML."""
        return parse_xml(self.read(name), self.kind)

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """The relationships of an Office part: id -> (the type's last word, the name of the part)."""
        folder, base = posixpath.split(name)
        rels = posixpath.join(folder, "_rels", base + ".rels")
        if rels not in self:
            return {}
        return {
            rel.get("Id", ""): (rel.get("Type", "").rpartition("/")[2], resolve(folder, rel.get("Target", "")))
            for rel in self.xml(rels).iter("{*}Relationship")
            if rel.get("TargetMode") != "External"
        }


def resolve(folder: str, target: str) -> str:
    """The name in the archive of what `target` means within `folder`."""
    target = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def parse_xml(data: bytes, kind: str) -> etree._Element:
    """XML as a tree, with no entity resolved, no DTD loaded and nothing fetched."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        raise damaged(kind) from None
    if root is None:
        raise damaged(kind)
    return root


def local(element: etree._Element) -> str:
    """An element's name without its namespace: strict and transitional Office files differ only there.

    Empty for what is no element, as an entity that was left alone.
    """
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: etree._Element, name: str, default: str = "") -> str:
    """An attribute by its name without its namespace."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return default
