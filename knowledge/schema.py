"""What the tables of documents need beside what Django's models say: for the migrations.

- Deleting a document deletes its bytes, chunks and vectors within the database.
- The words of the chunks are indexed, and the index follows every change by itself.

On SQLite both are triggers. Django remakes a table there to alter it, and a table's triggers go with it: a migration
that alters one of these must make them again.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, transaction

NO_EXTENSION = (
    "PostgreSQL has no pgvector here, which keeps the vectors of documents. Install it for this server "
    "(https://github.com/pgvector/pgvector#installation), and have someone who may do so run "
    "CREATE EXTENSION vector in this database."
)

# Which rows go with which: (table, column, table of the row that it goes with).
_GOES_WITH = [
    ("knowledge_documentcontent", "document_id", "knowledge_document"),
    ("knowledge_chunk", "document_id", "knowledge_document"),
    ("knowledge_embedding", "chunk_id", "knowledge_chunk"),
]

# English words are found in all their forms. Words of other languages are found as they are written: the stemmer
# does little to them, and does it to the question's words too.
_POSTGRESQL_INDEX = """
ALTER TABLE knowledge_chunk ADD COLUMN words tsvector
    GENERATED ALWAYS AS (to_tsvector('english', section || ' ' || text)) STORED;
CREATE INDEX chunk_words ON knowledge_chunk USING gin (words);
"""
_SQLITE_INDEX = [
    """
    CREATE VIRTUAL TABLE knowledge_words USING fts5 (
        section, text, content='knowledge_chunk', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER knowledge_chunk_added AFTER INSERT ON knowledge_chunk BEGIN
        INSERT INTO knowledge_words (rowid, section, text) VALUES (new.id, new.section, new.text);
    END
    """,
    """
    CREATE TRIGGER knowledge_chunk_removed AFTER DELETE ON knowledge_chunk BEGIN
        INSERT INTO knowledge_words (knowledge_words, rowid, section, text)
            VALUES ('delete', old.id, old.section, old.text);
    END
    """,
    """
    CREATE TRIGGER knowledge_chunk_changed AFTER UPDATE OF section, text ON knowledge_chunk BEGIN
        INSERT INTO knowledge_words (knowledge_words, rowid, section, text)
            VALUES ('delete', old.id, old.section, old.text);
        INSERT INTO knowledge_words (rowid, section, text) VALUES (new.id, new.section, new.text);
    END
    """,
]


def create_extension(apps: Any, schema_editor: Any) -> None:
    """Have pgvector in the database. Raises `ImproperlyConfigured` where it is not installed, or may not be made."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cursor.fetchone():
            return
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute("CREATE EXTENSION vector")
        except Error as exc:
            raise ImproperlyConfigured(NO_EXTENSION) from exc


def create_rules(apps: Any, schema_editor: Any) -> None:
    """The rules for deletion, and the index over the words."""
    if schema_editor.connection.vendor == "postgresql":
        for table, column, owner in _GOES_WITH:
            _cascade(schema_editor, table, column, owner)
        schema_editor.execute(_POSTGRESQL_INDEX)
        return
    for table, column, owner in _GOES_WITH:
        schema_editor.execute(
            f"CREATE TRIGGER {table}_goes BEFORE DELETE ON {owner} BEGIN "  # nosec B608  # names of ours; values are parameters
            f"DELETE FROM {table} WHERE {column} = old.id; END"
        )
    for statement in _SQLITE_INDEX:
        schema_editor.execute(statement)


def _cascade(schema_editor: Any, table: str, column: str, owner: str) -> None:
    with schema_editor.connection.cursor() as cursor:
        constraints = schema_editor.connection.introspection.get_constraints(cursor, table)
    name = next(name for name, found in constraints.items() if found["foreign_key"] and found["columns"] == [column])
    schema_editor.execute(
        f'ALTER TABLE {table} DROP CONSTRAINT "{name}", ADD CONSTRAINT "{name}" '
        f"FOREIGN KEY ({column}) REFERENCES {owner} (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
    )
