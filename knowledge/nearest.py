"""The chunks whose vectors are nearest to that of a question. The search is exact on both databases.

PostgreSQL compares within the database. On SQLite it is done here, with vectors that are kept in memory: those of a
set never change, and no later set has its name, so what is kept is right whatever other processes do.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from time import monotonic

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection

from knowledge.fields import as_literal
from knowledge.static_vectors import Vector

# An index for approximate search (HNSW) is not worth it: with 10,000 chunks in a namespace the scan takes 6 ms, with
# 100,000 it takes 40; the index took 136 s to build, and lost nine of ten of what it should have found when few of its
# vectors were of the namespace.
_POSTGRESQL = """
SELECT chunk_id FROM knowledge_embedding WHERE vector_set = ANY(%s) ORDER BY vector <#> %s::vector, chunk_id LIMIT %s
"""
_SQLITE = """
SELECT vector_set, chunk_id, vector FROM knowledge_embedding
WHERE vector_set IN (SELECT value FROM json_each(%s)) ORDER BY vector_set
"""
# Sets that are read from the database at once.
_SETS_AT_ONCE = 100
# Seconds that vectors are kept after they were last searched.
KEPT_FOR = 600.0


@dataclass(frozen=True, slots=True)
class _Set:
    chunk_ids: npt.NDArray[np.int64]
    vectors: Vector  # (len(chunk_ids), dimension)

    @property
    def size(self) -> int:
        return self.vectors.nbytes + self.chunk_ids.nbytes


def find_nearest(*, vector: Vector, vector_sets: Sequence[int], limit: int) -> list[int]:
    """The ids of at most `limit` chunks of these sets, which have the dimension of `vector`; the nearest first."""
    if not vector_sets:
        return []
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_POSTGRESQL, [list(vector_sets), as_literal(vector), limit])
            return [row[0] for row in cursor.fetchall()]
    found = [_best(kept, vector, limit) for kept in _kept.read(vector_sets)]
    if not found:
        return []
    ids, scores = (np.concatenate(columns) for columns in zip(*found, strict=True))
    best: list[int] = ids[np.lexsort((ids, -scores))[:limit]].tolist()
    return best


def _best(kept: _Set, vector: Vector, limit: int) -> tuple[npt.NDArray[np.int64], Vector]:
    scores = kept.vectors @ vector
    if len(scores) > limit:
        places = np.argpartition(-scores, limit)[:limit]
        return kept.chunk_ids[places], scores[places]
    return kept.chunk_ids, scores


class _Kept:
    """The sets that were searched last, up to VECTOR_CACHE_BYTES."""

    def __init__(self) -> None:
        # Each with when it was last searched, that which was last of all at the end.
        self._sets: OrderedDict[int, tuple[_Set, float]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def read(self, names: Sequence[int]) -> Iterator[_Set]:
        """Each of these sets, unless it is empty or gone; not in their order."""
        missing = []
        for name in names:
            with self._lock:
                found = self._sets.get(name)
                if found is not None:
                    self._sets[name] = found[0], monotonic()
                    self._sets.move_to_end(name)
            if found is None:
                missing.append(name)
            else:
                yield found[0]
        for first in range(0, len(missing), _SETS_AT_ONCE):
            for name, kept in _read(missing[first : first + _SETS_AT_ONCE]):
                self._keep(name, kept)
                yield kept

    def expire(self) -> None:
        """Forget the sets that were not searched for KEPT_FOR seconds: their documents may be deleted."""
        oldest = monotonic() - KEPT_FOR
        with self._lock:
            while self._sets and next(iter(self._sets.values()))[1] < oldest:
                self._drop_first()

    def _keep(self, name: int, kept: _Set) -> None:
        with self._lock:
            if name in self._sets or kept.size > settings.VECTOR_CACHE_BYTES:
                return
            self._sets[name] = kept, monotonic()
            self._size += kept.size
            while self._size > settings.VECTOR_CACHE_BYTES:
                self._drop_first()

    def _drop_first(self) -> None:
        _, (oldest, _) = self._sets.popitem(last=False)
        self._size -= oldest.size


def _read(names: Sequence[int]) -> Iterator[tuple[int, _Set]]:
    with connection.cursor() as cursor:
        cursor.execute(_SQLITE, [json.dumps(list(names))])
        for name, rows in groupby(cursor, key=lambda row: row[0]):
            ids, vectors = zip(*((chunk_id, vector) for _, chunk_id, vector in rows), strict=True)
            matrix = np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(ids), -1)
            yield name, _Set(np.array(ids, dtype=np.int64), matrix)


_kept = _Kept()


def expire() -> None:
    """To be called now and then: forgets vectors that nobody has searched for a while."""
    _kept.expire()
