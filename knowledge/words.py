"""The chunks in which the words of a question stand, the best first.

Any of the words is enough, and rare words count for more (BM25, or near it): questions are sentences, and no chunk
has all of their words. What people write is never the database's query syntax.
"""

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

# Words of a question that are looked for.
_MAX_WORDS = 32
# Pages of SQLite's index that are written in one go: 0.1 s.
_PAGES_AT_ONCE = 200

_SQLITE = """
SELECT chunk.id FROM knowledge_words JOIN knowledge_chunk AS chunk ON chunk.id = knowledge_words.rowid
WHERE knowledge_words MATCH %s AND chunk.document_id IN (SELECT value FROM json_each(%s))
ORDER BY bm25(knowledge_words), chunk.id LIMIT %s
"""
# PostgreSQL's own ranks do not know which words are rare, and reading all the words of every chunk that has one of
# them takes long: they only put those in order that have the rarest. The text of a tsquery is built here: quotes and
# backslashes in a word are doubled, as it wants them.
_POSTGRESQL = r"""
WITH terms AS (
    SELECT number, ('''' || replace(replace(word, '\', '\\'), '''', '''''') || '''')::tsquery AS term
    FROM unnest(tsvector_to_array(to_tsvector('english', %(question)s))) WITH ORDINALITY AS words (word, number)
    LIMIT %(words)s
), hits AS MATERIALIZED (
    SELECT chunk.id, number FROM terms JOIN knowledge_chunk AS chunk ON chunk.words @@ term
    WHERE chunk.document_id = ANY(%(documents)s)
), total AS (
    SELECT sum(chunk_count)::float8 AS chunks FROM knowledge_document WHERE id = ANY(%(documents)s)
), weights AS (
    SELECT number, ln(1 + greatest(chunks - count(*) + 0.5, 0.5) / (count(*) + 0.5)::float8) AS weight
    FROM hits CROSS JOIN total GROUP BY number, chunks
), best AS (
    SELECT id, sum(weight) AS weight FROM hits JOIN weights USING (number)
    GROUP BY id ORDER BY 2 DESC, id LIMIT 2 * %(limit)s
)
SELECT id FROM best JOIN knowledge_chunk AS chunk USING (id)
CROSS JOIN (SELECT string_agg(term::text, ' | ')::tsquery AS any_term FROM terms) AS whole
ORDER BY best.weight * (1 + ts_rank(chunk.words, any_term, 1)) DESC, id LIMIT %(limit)s
"""


def find_by_words(*, question: str, document_ids: Sequence[uuid.UUID], limit: int) -> list[int]:
    """The ids of at most `limit` chunks of these documents."""
    question = question.replace("\x00", " ").encode("utf-8", "replace").decode()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            values: dict[str, Any] = {
                "question": question,
                "words": _MAX_WORDS,
                "documents": list(document_ids),
                "limit": limit,
            }
            cursor.execute(_POSTGRESQL, values)
        else:
            expression = _as_fts5(question)
            if not expression:
                return []
            cursor.execute(_SQLITE, [expression, json.dumps([found.hex for found in document_ids]), limit])
        return [row[0] for row in cursor.fetchall()]


def forget_deleted_words() -> None:
    """Have the index of words lose those of chunks that were deleted. To be called some time after a deletion.

    For SQLite: its index only marks them as deleted, until it puts its parts together. That is done here in short
    steps; where there is nothing to do it costs nothing. PostgreSQL's autovacuum does as much.
    """
    if connection.vendor != "sqlite":
        return
    pages = -_PAGES_AT_ONCE  # a negative number says that all is to become one part
    with connection.cursor() as cursor:
        while True:
            before = _changes(cursor)
            cursor.execute("INSERT INTO knowledge_words (knowledge_words, rank) VALUES ('merge', %s)", [pages])
            # "If the difference is less than 2, then the merge command was a no-op." (sqlite.org/fts5.html)
            if _changes(cursor) - before < 2:
                return
            pages = _PAGES_AT_ONCE


def _changes(cursor: Any) -> int:
    return int(cursor.execute("SELECT total_changes()").fetchone()[0])


def _as_fts5(question: str) -> str:
    """A question as an expression for FTS5: each of its words as a string, which nothing in it can end."""
    words = dict.fromkeys(re.findall(r"\w+", question.lower()))
    return " OR ".join(f'"{word}"' for word in list(words)[:_MAX_WORDS])
