from django.apps import AppConfig
from django.core.checks import register

from knowledge.checks import check_embeddings


class KnowledgeConfig(AppConfig):
    name = "knowledge"

    def ready(self) -> None:
        from knowledge.storage import bytes_of_user
        from quotas.storage import count_as_storage

        register(check_embeddings)
        count_as_storage(bytes_of_user)
