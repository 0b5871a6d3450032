"""What every deployment shares. What a deployment may change is read from the environment (see `.env.example`).

Settings of one topic that are many have a module beside this one.
"""

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from opengpts import VERSION
from opengpts.settings.encryption import *  # noqa: F403
from opengpts.settings.environment import BASE_DIR, env
from opengpts.settings.identity import *  # noqa: F403
from opengpts.settings.limits import *  # noqa: F403
from opengpts.settings.web import *  # noqa: F403

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
    "csp",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "opengpts",
    "audit",
    "accounts",
    "agents",
    "quotas",
    "assistants",
    "threads",
    "knowledge",
    "runs",
    "schedules",
    "personal_data",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "opengpts.security_headers.PagePolicy",
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
            # secure_delete: what is deleted is overwritten, and not just left out.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000; PRAGMA secure_delete=ON;"
            ),
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
ON_POSTGRESQL = DATABASES["default"]["ENGINE"].endswith("postgresql")
if ON_POSTGRESQL:
    # The queue of the worker processes, whether or not there are any: RUN_EXECUTOR may be changed any time.
    INSTALLED_APPS.append("procrastinate.contrib.django")

# Where processes share the events of runs, and wake each other. Empty: this is the only process, and its memory does.
REDIS_URL = env.str("REDIS_URL", default="")
# What the names of keys and channels begin with, where several deployments share one Redis.
REDIS_PREFIX = env.str("REDIS_PREFIX", default="opengpts")


def channel_layer(url: str, prefix: str) -> dict[str, Any]:
    """Django's settings for the channel layer: over Redis, or in memory where there is no URL."""
    if not url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # Who uses the layer has a timeout of its own. One per socket costs a task for every message.
        "CONFIG": {"hosts": [{"address": url, "socket_timeout": None}], "prefix": f"{prefix}:"},
    }


CHANNEL_LAYERS = {"default": channel_layer(REDIS_URL, REDIS_PREFIX)}


def cache(url: str, prefix: str) -> dict[str, Any]:
    """Django's settings for the cache: in Redis, or in the memory of this process where there is no URL."""
    if not url:
        # Of Django's 300 entries most users of a busy minute would be forgotten.
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": f"{prefix}:cache",
        # Seconds. Whoever asks it does without rather than wait.
        "OPTIONS": {"socket_connect_timeout": 1.0, "socket_timeout": 1.0},
    }


CACHES = {"default": cache(REDIS_URL, REDIS_PREFIX)}

SESSION_ENGINE = "opengpts.sessions"
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "email"]},
    },
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["opengpts.formats"]

STATIC_URL = "static/"

# What tools make (images), in Django's default storage.
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "media/"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["opengpts.auth.Identity"],
    "DEFAULT_PERMISSION_CLASSES": ["opengpts.auth.MayAsk"],
    "DEFAULT_THROTTLE_CLASSES": ["opengpts.throttling.Throttle"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "opengpts.negotiation.AlwaysJSON",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "opengpts.api.HeaderPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "opengpts.error_responses.api_exception_handler",
    # OPTIONS is no method of the API: the OpenAPI document tells what there is.
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OpenGPTs on Django",
    "DESCRIPTION": (
        "Define assistants, talk to them in threads, watch their runs stream. What is tried out on this page is asked "
        "as whoever has logged in to the admin, or by a token under Authorize: a page cannot send a cookie of its "
        "choice."
    ),
    "VERSION": VERSION,
    # 3.1 is the first that has a word for null.
    "OAS_VERSION": "3.1.0",
    # Not its hook that names enums: the same choices stand in many places, under names that say nothing.
    "POSTPROCESSING_HOOKS": ["opengpts.openapi.complete_operations"],
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

# Dotted paths of one's own tools: see `agents.tools.own`.
TOOLS = env.list("TOOLS", default=[])
# Who runs this server: Wikimedia, NCBI and arXiv want to know whom to tell of trouble.
TOOLS_CONTACT = env.str("TOOLS_CONTACT", default="")
# Other servers for the services behind tools, by type key: mirrors, or stand-ins in tests.
TOOL_URLS = env.dict("TOOL_URLS", default={})
TAVILY_API_KEY = env.str("TAVILY_API_KEY", default="")
YDC_API_KEY = env.str("YDC_API_KEY", default="")
NCBI_API_KEY = env.str("NCBI_API_KEY", default="")
# What OpenAI, or OPENAI_BASE_URL, calls the model that makes images.
IMAGE_MODEL = env.str("IMAGE_MODEL", default="gpt-image-2.5-flare")
# What tools may call for a user although it is not public: names, host:port, addresses, or networks.
OUTGOING_ALLOW: list[str] = env.list("OUTGOING_ALLOW", default=[])
# The runner behind the tool ai_action_runner_by_connery.
CONNERY_RUNNER_URL = env.str("CONNERY_RUNNER_URL", default="")
CONNERY_RUNNER_API_KEY = env.str("CONNERY_RUNNER_API_KEY", default="")
# Which model makes the vectors that documents are searched by: "wordllama" (bundled; nothing leaves the machine),
# "provider:model" as LangChain's init_embeddings takes it, or "none" to search by words alone.
EMBEDDINGS = env.str("EMBEDDINGS", default="wordllama")
# Bytes of vectors that this process keeps in memory to search them. For SQLite: PostgreSQL searches by itself.
VECTOR_CACHE_BYTES = env.int("VECTOR_CACHE_BYTES", default=256 * 1024 * 1024)
# Seconds that one call of any tool may take; the model is told of a longer one as an error. As many as the config of a
# tool may ask for: tools that call other servers have shorter limits of their own.
TOOL_TIMEOUT = env.float("TOOL_TIMEOUT", default=300.0)

# Who does the runs: "inline", the process that was asked for them, or "procrastinate", worker processes.
RUN_EXECUTOR = env.str("RUN_EXECUTOR", default="inline").lower()
if RUN_EXECUTOR not in ("inline", "procrastinate"):
    raise ImproperlyConfigured(f"RUN_EXECUTOR={RUN_EXECUTOR} is neither inline nor procrastinate.")
if RUN_EXECUTOR == "procrastinate" and not ON_POSTGRESQL:
    raise ImproperlyConfigured("RUN_EXECUTOR=procrastinate keeps its queue in PostgreSQL: set DATABASE_URL to one.")
if RUN_EXECUTOR == "procrastinate" and not REDIS_URL:
    raise ImproperlyConfigured("RUN_EXECUTOR=procrastinate sends what runs say through Redis: set REDIS_URL.")
# Seconds that a worker process which is told to stop lets its runs go on. Then others go on with them.
WORKER_DRAIN = env.float("WORKER_DRAIN", default=30.0)
# Runs at once in this process; further ones wait as `pending` rows.
RUN_CONCURRENCY = env.int("RUN_CONCURRENCY", default=64)
# Seconds. A run that takes longer is ended as an error; what it has said is kept.
RUN_TIMEOUT = env.float("RUN_TIMEOUT", default=3600.0)
# Seconds. A running run says it is alive every RUN_HEARTBEAT; silent for RUN_LOST_AFTER, it is taken up by another
# process, or ended as lost where that was done too often.
RUN_HEARTBEAT = env.float("RUN_HEARTBEAT", default=5.0)
RUN_LOST_AFTER = env.float("RUN_LOST_AFTER", default=30.0)
# Seconds between two looks at the schedules: a run begins so much later than it is due, at most.
SCHEDULE_TICK = env.float("SCHEDULE_TICK", default=15.0)
# Seconds between the comments that keep an idle stream open through proxies.
STREAM_HEARTBEAT = env.float("STREAM_HEARTBEAT", default=15.0)
# Seconds after which a client of a stream that reads nothing of it is given up.
STREAM_SEND_TIMEOUT = env.float("STREAM_SEND_TIMEOUT", default=60.0)
# Seconds between two looks whether who opened a stream or a WebSocket is still logged in; otherwise it is ended.
IDENTITY_CHECK = env.float("IDENTITY_CHECK", default=60.0)
# A WebSocket is closed that has been silent for so many seconds, or has not read what it was sent; each may have so
# many subscriptions.
WEBSOCKET_IDLE_TIMEOUT = env.float("WEBSOCKET_IDLE_TIMEOUT", default=3600.0)
WEBSOCKET_SEND_TIMEOUT = env.float("WEBSOCKET_SEND_TIMEOUT", default=60.0)
WEBSOCKET_MAX_SUBSCRIPTIONS = env.int("WEBSOCKET_MAX_SUBSCRIPTIONS", default=64)
# Events kept per thread, and seconds they are kept after the last one, for clients that come back.
EVENT_LOG_LENGTH = env.int("EVENT_LOG_LENGTH", default=10_000)
EVENT_LOG_TTL = env.float("EVENT_LOG_TTL", default=600.0)
# Bytes of them that are kept in memory, of all threads together, where there is no REDIS_URL.
EVENT_LOG_MEMORY = env.int("EVENT_LOG_MEMORY", default=256 * 1024 * 1024)

# What reading one file may take: seconds, bytes of memory (not limited on macOS), characters of text in it.
INGEST_TIMEOUT = env.float("INGEST_TIMEOUT", default=60.0)
INGEST_MEMORY_BYTES = env.int("INGEST_MEMORY_BYTES", default=1024 * 1024 * 1024)
INGEST_MAX_CHARACTERS = env.int("INGEST_MAX_CHARACTERS", default=20_000_000)
# Files that a process of the server reads at once; further ones wait.
INGEST_PROCESSES = env.int("INGEST_PROCESSES", default=2)

# Days that entries of the audit log are kept. 0: for ever.
AUDIT_DAYS = env.int("AUDIT_DAYS", default=365)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # The mcp package also logs to the root itself, with whatever a server sent.
    "filters": {
        "not_mcp": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "mcp" not in Path(record.pathname).parts,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # Both clients of the providers log every request.
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        # Writes a traceback each second while Redis is away. That it is away is told by what needs it.
        "channels_redis": {"level": "CRITICAL"},
        # Tells of every job at its beginning and its end.
        "procrastinate": {"level": "WARNING"},
        # Write down what servers send, and addresses with the keys in them.
        "httpcore": {"level": "WARNING"},
        "mcp": {"level": "CRITICAL"},
        # The web server's access log has the clients' errors already.
        "django.request": {"level": "ERROR"},
    },
    "root": {"filters": ["not_mcp"], "handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
