from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.conf import settings
from django.core.checks import register
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate

from agents.language_models.builtin_models import BUILTIN_MODELS
from agents.outgoing.addresses import check_setting


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        try:
            check_setting(settings.OUTGOING_ALLOW)
        except ValueError as exc:
            raise ImproperlyConfigured(str(exc)) from exc
        from agents import checks  # apps must be loaded first

        register(checks.check_own_tools)
        register(checks.check_own_tools_load, deploy=True)
        post_migrate.connect(create_builtin_models, sender=self)


def create_builtin_models(using: str, apps: Any = installed, **signal: Any) -> None:
    """Create the rows of the built-in labels that the database `using` does not have.

    After `migrate` and not in a migration, because a later release may bring another label, and because a test that
    empties its tables gets them back. What is there is left alone: staff may have edited it.
    """
    try:
        model = apps.get_model("agents", "LanguageModel")
    except LookupError:  # the app was migrated back to before there were any
        return
    model.objects.using(using).bulk_create(
        (
            model(
                label=entry.label,
                model=entry.model,
                base_url=entry.base_url,
                key_env=entry.key_env,
                parameters=entry.parameters,
                context_window=entry.context_window,
                can_use_tools=entry.can_use_tools,
                can_see_images=entry.can_see_images,
                input_price=entry.input_price,
                output_price=entry.output_price,
            )
            for entry in BUILTIN_MODELS
        ),
        ignore_conflicts=True,
    )
