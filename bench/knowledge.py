"""What documents cost: reading 10,000 passages, searching them, and how many of the nearest vectors a search finds.

`python -m bench.knowledge` measures on SQLite and on PostgreSQL (one that it starts, or `--postgresql URL`), with the
vectors that `EMBEDDINGS` names, each on an empty database. Read are 10 documents of 1,000 passages each, from upload
to the last row; beside the whole, the longest that another writer had to wait meanwhile. Searched is by words and
vectors, in a namespace of 10,000 passages, and in one of 1,000 beside those. Recall is that of the search for vectors
in that small namespace against all distances, computed here, over random vectors: the case where an index over all
namespaces loses most.
"""

import argparse
import asyncio
import random
import statistics
import time
from contextlib import ExitStack
from typing import Any

from bench._databases import both_databases, in_process, run

DOCUMENTS = 10
PASSAGES = 1000  # of each
QUESTIONS = 50
NEAREST = 10


def text_of(seed: int) -> str:
    """A text that makes about PASSAGES passages: words of an alphabet's worth of topics, common and rare."""
    rng = random.Random(seed)
    syllables = ["ka", "lo", "mi", "ter", "sun", "ver", "po", "rin", "da", "gel", "fo", "nus", "ba", "tir", "hem", "lu"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(5000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return "\n\n".join(" ".join(rng.choices(words, weights, k=150))[:990].ljust(901, "x") for _ in range(PASSAGES))


async def measure() -> dict[str, Any]:
    """All figures, on the database that the settings name."""
    from bench._documents import new_namespace, read_all, store_text
    from knowledge.search import Scope
    from opengpts.db import in_database_thread

    large, small = await in_database_thread(new_namespace), await in_database_thread(new_namespace)
    await in_database_thread(store_text, small, "warm up")
    await read_all()
    for seed in range(DOCUMENTS):
        await in_database_thread(store_text, large, text_of(seed))
    started = time.perf_counter()
    writing = asyncio.create_task(_write_beside())
    await read_all()
    seconds = time.perf_counter() - started
    if writing.done():
        writing.result()
    writing.cancel()
    chunks = await in_database_thread(_count)
    await in_database_thread(store_text, small, text_of(DOCUMENTS))
    await read_all()
    return {
        "chunks": chunks,
        "chunks_per_second": chunks / seconds,
        "longest_wait": max(_waits),
        "search_large": await _median(Scope(assistant_id=large.assistant_id)),
        "search_small": await _median(Scope(assistant_id=small.assistant_id)),
        "recall": await in_database_thread(_recall),
    }


_waits: list[float] = []


async def _write_beside() -> None:
    """Write one row, again and again, as the requests of others do."""
    from assistants.models import Assistant
    from opengpts.db import in_database_thread

    def write() -> None:
        Assistant.objects.update(name="x")

    while True:
        started = time.perf_counter()
        await in_database_thread(write)
        _waits.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)


def _count() -> int:
    from django.db import connection

    from knowledge.models import Chunk

    with connection.cursor() as cursor:
        # As PostgreSQL does by itself some time after so much was added.
        cursor.execute("ANALYZE")
    return Chunk.objects.count()


async def _median(scope: Any) -> float:
    from knowledge.search import search

    seconds = []
    for seed in range(QUESTIONS + 1):
        rng = random.Random(seed)
        question = " ".join(rng.sample(text_of(seed % DOCUMENTS).split()[:2000], 8))
        started = time.perf_counter()
        if not await search(scope=scope, question=question):
            raise RuntimeError("nothing was found")
        seconds.append(time.perf_counter() - started)
    # The first reads the vectors.
    return statistics.median(seconds[1:])


def _recall() -> float:
    """Of the NEAREST random vectors of a set among ten others, the share that is found."""
    import numpy as np

    from knowledge.models import Chunk
    from knowledge.nearest import find_nearest
    from knowledge.queue import new_vector_set, store_vectors

    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(PASSAGES, 256)).astype(np.float32)
    ids = list(Chunk.objects.order_by("pk").values_list("pk", flat=True)[:PASSAGES])
    name = new_vector_set()
    store_vectors(chunk_ids=ids, vectors=vectors, vector_set=name)
    found = 0
    for question in rng.normal(size=(QUESTIONS, 256)).astype(np.float32):
        exact = {ids[place] for place in np.argsort(-(vectors @ question))[:NEAREST]}
        found += len(exact & set(find_nearest(vector=question, vector_sets=[name], limit=NEAREST)))
    return found / (QUESTIONS * NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.knowledge", description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", metavar="URL", help="a PostgreSQL server to measure on")
    arguments, _ = parser.parse_known_args()
    with ExitStack() as stack:
        for database, url in both_databases(stack, arguments.postgresql):
            figures = in_process("bench.knowledge", url)
            print(
                f"{database:<11}{figures['chunks']:>7,} chunks, {figures['chunks_per_second']:,.0f} a second, others "
                f"wait {figures['longest_wait'] * 1000:,.0f} ms at most; search p50 "
                f"{figures['search_large'] * 1000:.1f} ms among all, {figures['search_small'] * 1000:.1f} ms among "
                f"{PASSAGES:,}; recall@{NEAREST} of vectors {figures['recall']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    run(main, lambda: asyncio.run(measure()))
