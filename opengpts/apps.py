from django.apps import AppConfig
from django.contrib import admin

from opengpts import checks  # noqa: F401  (registers them)


class OpenGPTsConfig(AppConfig):
    name = "opengpts"

    def ready(self) -> None:
        from opengpts.admin_login import LoginForm

        admin.site.login_form = LoginForm
