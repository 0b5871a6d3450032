from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"

    def ready(self) -> None:
        from runs.signals import signals
        from threads.deletion import on_deletion

        on_deletion(signals.thread_deleted)
