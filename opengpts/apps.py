from django.apps import AppConfig
from django.contrib import admin


class OpenGPTsConfig(AppConfig):
    name = "opengpts"

    def ready(self) -> None:
        from opengpts.admin_login import LoginForm

        admin.site.login_form = LoginForm
