"""What a run is made of: its assistant's config with its own over it, and with the secrets of both."""

from agents.config import AgentConfig, configurable_of, parse_config
from agents.config_secrets.sealing import reveal
from agents.language_models.catalogue import resolve
from agents.language_models.model_entry import ModelEntry
from knowledge.search import Scope
from opengpts.errors import BadRequest
from runs.models import Run


def ingredients_of(run: Run) -> tuple[AgentConfig, ModelEntry, Scope]:
    """What to run, with which model, and what it may search."""
    if run.assistant is None:
        raise BadRequest("Thread has no assistant")
    # Only here secrets are decrypted. The run's tools are instead of the assistant's: no secret of an assistant's owner
    # goes where somebody else's run says.
    assistant = reveal(run.assistant.sealed, owner=run.assistant.owner_id)
    override = reveal(run.sealed, owner=run.owner_id)
    config = parse_config({"configurable": {**configurable_of(assistant), **configurable_of(override)}})
    # Somebody else's assistant tells of its documents only where its owner let it: not because a run's own config says
    # that it should.
    shared = run.assistant.owner_id == run.owner_id or parse_config(run.assistant.config).searches
    scope = Scope(assistant_id=run.assistant_id if shared else None, thread_id=run.thread_id)
    return config, resolve(config.model), scope
