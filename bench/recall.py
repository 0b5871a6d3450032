"""What a search finds: by words, by vectors, and by both. Of how many questions the answer comes first, or in four.

`python -m bench.recall` asks the questions of `tests/samples/knowledge/questions.json` about the documents beside it,
on SQLite and on PostgreSQL (one that it starts, or `--postgresql URL`), with the vectors that `EMBEDDINGS` names.
"""

import argparse
import asyncio
from contextlib import ExitStack

from bench._databases import both_databases, in_process


async def measure() -> dict[str, tuple[float, float]]:
    """Recall at 1 and at 4 of each way to search, on the database that the settings name."""
    from bench._documents import new_namespace, read_all
    from knowledge.search import Scope
    from opengpts.db import in_database_thread
    from tests.knowledge_samples import measure as ask
    from tests.knowledge_samples import store_samples

    namespace = await in_database_thread(new_namespace)
    await in_database_thread(store_samples, namespace)
    await read_all()
    found = await ask(Scope(assistant_id=namespace.assistant_id))
    return {way: (recall.at_1, recall.at_4) for way, recall in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recall", description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", metavar="URL", help="a PostgreSQL server to measure on")
    arguments, _ = parser.parse_known_args()
    print(f"{'':<11}{'':>8}{'recall@1':>10}{'recall@4':>10}")
    with ExitStack() as stack:
        for database, url in both_databases(stack, arguments.postgresql):
            for way, (first, among) in in_process("bench.recall", url).items():
                print(f"{database:<11}{way:>8}{first:>10.2f}{among:>10.2f}", flush=True)


if __name__ == "__main__":
    from bench._databases import run

    run(main, lambda: asyncio.run(measure()))
