from django.apps import AppConfig


class OpenGPTsConfig(AppConfig):
    name = "opengpts"
