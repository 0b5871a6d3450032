"""The vectors that the wordllama package bundles: one for each of 32,000 pieces of words, averaged over a text.

Only the package's files are read, and none of its code is run: that would bring ten packages along, to download
what is here already. `l2_supercat_256.safetensors` has the vectors, `l2_supercat_tokenizer_config.json` says how
Llama 2 cuts a text into pieces (byte pair encoding).
"""

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

DIMENSION = 256
_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
# How the vocabulary writes a space.
_SPACE = "\u2581"
# Words whose pieces are remembered: those of a language's everyday texts.
_WORDS_KEPT = 50_000
# Characters. No word is longer; cutting up what is would take the square of its length.
_LONGEST_WORD = 64


def find_package() -> Path | None:
    """Where the package's files are; None where it is not installed."""
    spec = find_spec("wordllama")
    return Path(spec.origin).parent if spec and spec.origin else None


class StaticVectors:
    """Texts to vectors of length 1. May be used by several threads."""

    def __init__(self, package: Path) -> None:
        """Read the files: 40 ms, 16 MB. Raises `OSError` or `ValueError` where they are not as expected."""
        model = json.loads((package / _TOKENIZER).read_bytes())["model"]
        self._ids: dict[str, int] = model["vocab"]
        self._ranks = {
            tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge): rank
            for rank, merge in enumerate(model["merges"])
        }
        self._vectors = _read_safetensors(package / _WEIGHTS)
        self._pieces = lru_cache(_WORDS_KEPT)(self._cut_word)

    def embed(self, texts: Sequence[str]) -> Vector:
        """The vectors of these texts: (len(texts), 256). A text without a word has a vector of zeros."""
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for place, text in enumerate(texts):
            pieces = self.pieces(text)
            if pieces:
                vectors[place] = self._vectors[pieces].mean(axis=0, dtype=np.float32)
        return normalised(vectors)

    def pieces(self, text: str) -> list[int]:
        """The numbers of the pieces of `text`, in its order."""
        return [piece for word in text.split() for piece in self._pieces(word)]

    def _cut_word(self, word: str) -> tuple[int, ...]:
        starts = range(0, len(word), _LONGEST_WORD)
        return tuple(
            piece
            for start in starts
            for piece in self._cut(_SPACE * (start == 0) + word[start : start + _LONGEST_WORD])
        )

    def _cut(self, text: str) -> list[int]:
        """Byte pair encoding: of all neighbours join the two that the vocabulary joined first, again and again."""
        parts = list(text)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, math.inf) for pair in pairwise(parts)]
            best = min(ranks)
            if best == math.inf:
                break
            place = ranks.index(best)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return [piece for part in parts for piece in self._ids_of(part)]

    def _ids_of(self, part: str) -> list[int]:
        known = self._ids.get(part)
        # A character that the vocabulary lacks is written as its bytes.
        return [self._ids[f"<0x{byte:02X}>"] for byte in part.encode("utf-8", "replace")] if known is None else [known]


def normalised(vectors: Vector) -> Vector:
    """Each row with the length 1, so that a product of two says how alike they are. Zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


def _read_safetensors(path: Path) -> Vector:
    """The one tensor of a safetensors file: the length of a header, the header as JSON, then the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])["embedding.weight"]
    if header["dtype"] != "F16":
        raise ValueError(f"{path.name} holds {header['dtype']}, not F16")
    first, last = header["data_offsets"]
    return np.frombuffer(data[start + first : start + last], dtype=np.float16).reshape(header["shape"])
