from django.apps import AppConfig

from opengpts import checks  # noqa: F401  (registers them)


class OpenGPTsConfig(AppConfig):
    name = "opengpts"
