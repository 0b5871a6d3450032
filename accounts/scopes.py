"""What an API key may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    """One part of what a user may do. A person has all of them; a key has those it was given."""

    # Looking at things, and watching streams.
    READ = "read"
    # Threads, their messages, and runs.
    RUN = "run"
    # Assistants, documents, schedules, and deleting.
    MANAGE = "manage"
