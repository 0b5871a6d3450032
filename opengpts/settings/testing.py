"""The test suite, on the database that it starts for itself (`tests/database_option.py`)."""

from opengpts.settings.base import *  # noqa: F403
from opengpts.settings.base import DATABASES
from opengpts.settings.encryption import key_from

DEBUG = False
SECRET_KEY = "testing-only-secret-key-that-signs-nothing-of-worth"  # nosec B105  # of tests
SECRETS_KEYS = [key_from(SECRET_KEY)]
ALLOWED_HOSTS = ["*"]
TRUST_COOKIES = True
AUTH_DEFAULT_USER = "static-default-user-id"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# Tests ask faster than people. Those of the throttles set them.
THROTTLE_USER = THROTTLE_UPLOADS = THROTTLE_ANONYMOUS = THROTTLE_LOGIN = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, where Django's default would be memory: threads of one test must wait for each other as they do in life.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
