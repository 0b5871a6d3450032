import asyncio
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from knowledge.embedding_model import embedding_model
from knowledge.models import Document, DocumentStatus
from knowledge.reembedding import reembed
from opengpts.db import in_database_thread
from opengpts.errors import OpenGPTsError

WIDTH = 40


class Command(BaseCommand):
    """Make new vectors for the documents whose vectors are of another model than `EMBEDDINGS` names.

    The server may run meanwhile: each document has its new vectors all at once, and until then its words are searched.
    Interrupted, it goes on with the next document when it is called again.
    """

    help = "Make the vectors of documents anew, after EMBEDDINGS has been changed. Can be interrupted and called again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Do not ask, where the newest vectors are replaced.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not embedding_model():
            raise CommandError("EMBEDDINGS=none: documents are searched by their words alone, and need no vectors.")
        documents = list(Document.objects.outdated(embedding_model()).order_by("created_at", "id"))
        if not documents:
            self.stdout.write(f"All documents have vectors of {embedding_model()}.")
            return
        self.stdout.write(f"{len(documents)} documents are given vectors of {embedding_model()}.")
        if not options["yes"]:
            self._confirm()
        try:
            asyncio.run(self._reembed(documents))
        except OpenGPTsError as exc:
            raise CommandError(f"{exc.message} Call this again when it works: it goes on where it was.") from exc
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Call this again to go on.", returncode=130) from None

    def _confirm(self) -> None:
        """Have it confirmed where the newest vectors are of another model: the server may have another `EMBEDDINGS`."""
        newest = Document.objects.exclude(embedding_model="").filter(status=DocumentStatus.READY)
        model = newest.order_by("-finished_at").values_list("embedding_model", flat=True).first()
        if model in (None, embedding_model()):
            return
        self.stderr.write(
            f"The newest document has vectors of {model}, but EMBEDDINGS in this environment (or .env) names "
            f"{embedding_model()}. The server must run with the same, or it finds less."
        )
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed. Call this with --yes where EMBEDDINGS is right.")
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.")

    async def _reembed(self, documents: list[Document]) -> None:
        total = sum(document.chunk_count for document in documents)
        before = 0
        for number, document in enumerate(documents, start=1):
            self._show(before, total, number, len(documents))
            async for done in reembed(document):
                self._show(before + done, total, number, len(documents))
            before += document.chunk_count
        self.stdout.write("")
        left = await in_database_thread(Document.objects.outdated(embedding_model()).count)
        self.stdout.write(f"{len(documents)} documents have vectors of {embedding_model()}; {left} have not.")

    def _show(self, done: int, total: int, number: int, documents: int) -> None:
        filled = WIDTH * done // max(total, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        self.stdout.write(f"\r[{bar}] {done}/{total} chunks, document {number} of {documents}", ending="")
        self.stdout.flush()
