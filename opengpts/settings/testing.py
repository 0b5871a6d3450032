"""The test suite, on the database that it starts for itself (`tests/database_option.py`)."""

from opengpts.settings.base import *  # noqa: F403
from opengpts.settings.base import DATABASES

DEBUG = False
SECRET_KEY = "testing-only-secret-key-that-signs-nothing-of-worth"
ALLOWED_HOSTS = ["*"]
TRUST_COOKIES = True
AUTH_DEFAULT_USER = "static-default-user-id"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, where Django's default would be memory: threads of one test must wait for each other as they do in life.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
