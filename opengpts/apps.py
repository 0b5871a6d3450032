from django.apps import AppConfig
from django.contrib import admin

from opengpts import checks  # noqa: F401  (registers them)
from opengpts.identity_checks import refuse_unsafe_identity


class OpenGPTsConfig(AppConfig):
    name = "opengpts"

    def ready(self) -> None:
        """Refuse to start, whatever settings module it is with, where people could not be told apart."""
        refuse_unsafe_identity()
        # It needs the models, which are there only now.
        from opengpts.admin_login import LoginForm

        admin.site.login_form = LoginForm
