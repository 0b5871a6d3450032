"""What every deployment shares. What a deployment may change is read from the environment (see `.env.example`)."""

import sys
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var")))

INSTALLED_APPS = [
    # As the first app daphne makes `runserver` speak ASGI. Twisted, which it brings along, takes longer to
    # import than the rest of Django, so no other command waits for it.
    *(["daphne"] if "runserver" in sys.argv[1:2] else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "opengpts",
    "accounts",
    "agents",
    "assistants",
    "threads",
    "runs",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "opengpts.urls"
ASGI_APPLICATION = "opengpts.asgi.application"
# The API answers with and without the slash; a redirect would turn a client's POST into a GET.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database(url: str) -> dict[str, Any]:
    """Django's settings for one database URL.

    SQLite gets write-ahead logging and takes its write lock when a transaction starts, so that two
    writers wait for each other instead of failing half-way. PostgreSQL gets psycopg's connection
    pool, which is the only reuse of connections that is safe under ASGI.
    """
    config: dict[str, Any] = env.db_url_config(url)
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        }
    else:
        config["OPTIONS"] = {
            **config.get("OPTIONS", {}),
            "pool": {
                "min_size": env.int("DATABASE_POOL_MIN", default=2),
                "max_size": env.int("DATABASE_POOL_MAX", default=20),
                "timeout": 10,
            },
        }
    # A pool does not go with connections that last. SQLite's may: they belong to threads that last.
    config["CONN_MAX_AGE"] = None if config["ENGINE"].endswith("sqlite3") else 0
    return config


DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}"))}
# Threads that answer requests, and threads for the database work of runs and streams. Each has a connection at most.
REQUEST_THREADS = env.int("REQUEST_THREADS", default=8)
DATABASE_THREADS = env.int("DATABASE_THREADS", default=4)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Nothing goes over the channel layer yet: runs and their events stay within a process.
REDIS_URL = env.str("REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# How API clients say who they are. "cookie" believes whatever the cookie says: for development.
AUTH_TYPE = env.str("AUTH_TYPE", default="cookie")
if AUTH_TYPE not in ("cookie",):
    raise ImproperlyConfigured(f"AUTH_TYPE={AUTH_TYPE} is none that there is: cookie.")
AUTH_COOKIE = "opengpts_user_id"
# Who a request without the cookie is from.
AUTH_DEFAULT_USER: str | None = "static-default-user-id"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["opengpts.formats"]

STATIC_URL = "static/"

# Bytes. Larger request bodies are refused with 413.
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=8 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["opengpts.auth.Identity"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "opengpts.negotiation.AlwaysJSON",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "opengpts.api.HeaderPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "opengpts.error_responses.api_exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OpenGPTs on Django",
    "DESCRIPTION": (
        "Define assistants, talk to them in threads, watch their runs stream. What is tried out on this page is asked "
        "as the default user: a page cannot send a cookie of its choice."
    ),
    "VERSION": "0.1.0",
    # 3.1 is the first that has a word for null.
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# "auto": run the bundled model when it is first needed. "off": never.
LOCAL_MODEL = env.str("LOCAL_MODEL", default="auto").lower()
if LOCAL_MODEL not in ("auto", "off"):
    raise ImproperlyConfigured(f"LOCAL_MODEL={LOCAL_MODEL} is neither auto nor off.")
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")

# Runs at once in this process; further ones wait as `pending` rows.
RUN_CONCURRENCY = env.int("RUN_CONCURRENCY", default=64)
# Seconds. A running run says it is alive every RUN_HEARTBEAT; silent for RUN_LOST_AFTER, it is ended as lost.
RUN_HEARTBEAT = env.float("RUN_HEARTBEAT", default=5.0)
RUN_LOST_AFTER = env.float("RUN_LOST_AFTER", default=30.0)
# Seconds between the comments that keep an idle stream open through proxies.
STREAM_HEARTBEAT = env.float("STREAM_HEARTBEAT", default=15.0)
# Events kept per thread, and seconds they are kept after the last one, for clients that come back.
EVENT_LOG_LENGTH = env.int("EVENT_LOG_LENGTH", default=10_000)
EVENT_LOG_TTL = env.float("EVENT_LOG_TTL", default=600.0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # Both clients of the providers log every request.
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        # The web server's access log has the clients' errors already.
        "django.request": {"level": "ERROR"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
