"""Reading one document: from its bytes to chunks that can be searched."""

import asyncio
import logging

from django.db import InterfaceError, OperationalError

from knowledge import queue
from knowledge.embedding_model import embedding_model
from knowledge.embeddings import open_embedder, same_dimension
from knowledge.models import Document
from knowledge.parsing import Unreadable, parse
from knowledge.splitting import Passage, split
from opengpts.db import in_database_thread
from opengpts.errors import OpenGPTsError

logger = logging.getLogger(__name__)

# Passages that are embedded and stored together. The others wait while SQLite writes them: 20 ms.
BATCH = 128

NO_TEXT = "No text was found in this file."
INTERNAL = "Reading this file failed, through no fault of its own. The server's log says why."


async def ingest(document: Document) -> None:
    """Read a document that this process has claimed. Its row then says that it is ready, or why it is not.

    Cancelled (the server is stopping), or left alone by the database, it goes back into the queue.
    """
    error: OpenGPTsError
    try:
        await _ingest(document)
        return
    except asyncio.CancelledError:
        await asyncio.shield(in_database_thread(queue.requeue, document=document))
        raise
    except queue.NotOurs:
        logger.info("document %s was deleted or taken over while it was read", document.pk)
        return
    except (InterfaceError, OperationalError):
        # Its heartbeat ends here, and whoever finds that takes it up again: three times at most.
        logger.exception("the database failed document %s", document.pk)
        return
    except OpenGPTsError as exc:
        logger.info("document %s cannot be read: %s", document.pk, exc.message)
        error = exc
    except Exception:
        logger.exception("document %s failed", document.pk)
        error = OpenGPTsError(INTERNAL)
    try:
        await in_database_thread(queue.fail, document=document, error=error)
    except queue.NotOurs:
        return


async def _ingest(document: Document) -> None:
    data, vector_set = await in_database_thread(queue.begin, document=document)
    parsed = await parse(data, document.name)
    del data
    passages = await asyncio.to_thread(split, parsed)
    if not passages:
        raise Unreadable(NO_TEXT)
    model = embedding_model()
    embedder = await asyncio.to_thread(open_embedder) if model else None
    dimension = 0
    for first in range(0, len(passages), BATCH):
        batch = passages[first : first + BATCH]
        vectors = await embedder.embed_passages([embedded_text(passage) for passage in batch]) if embedder else None
        if vectors is not None:
            dimension = same_dimension(vectors, dimension)
        await in_database_thread(
            queue.store_chunks,
            document=document,
            first=first,
            passages=batch,
            vectors=vectors,
            vector_set=vector_set,
            total=len(passages),
        )
    await in_database_thread(
        queue.finish,
        document=document,
        media_type=parsed.media_type,
        model=model,
        dimension=dimension,
        vector_set=vector_set,
        total=len(passages),
    )


def embedded_text(passage: Passage) -> str:
    """What of a passage its vector is made from: the heading it stands under belongs to what it says."""
    return with_heading(passage.text, passage.section)


def with_heading(text: str, section: str | None) -> str:
    """A text under the heading of its section."""
    return f"{section}\n{text}" if section else text
