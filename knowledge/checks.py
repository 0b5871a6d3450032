"""What Django's system checks say about the settings of this app."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from knowledge.embedding_model import setting_problem


def check_embeddings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The model that EMBEDDINGS names can be used. A warning: without it documents are searched by words alone."""
    problem = setting_problem()
    return [Warning(problem, id="knowledge.W001")] if problem else []
