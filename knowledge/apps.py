from django.apps import AppConfig
from django.core.checks import register

from knowledge.checks import check_embeddings


class KnowledgeConfig(AppConfig):
    name = "knowledge"

    def ready(self) -> None:
        register(check_embeddings)
