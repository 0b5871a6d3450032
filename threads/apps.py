from django.apps import AppConfig


class ThreadsConfig(AppConfig):
    name = "threads"

    def ready(self) -> None:
        from quotas.storage import count_as_storage
        from threads.storage import bytes_of_user

        count_as_storage(bytes_of_user)
