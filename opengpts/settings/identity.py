"""How users say who they are."""

from django.core.exceptions import ImproperlyConfigured

from opengpts.settings.environment import env

# How API clients say who they are. "cookie" believes whatever the cookie says: for development.
AUTH_TYPE = env.str("AUTH_TYPE", default="cookie")
if AUTH_TYPE not in ("cookie",):
    raise ImproperlyConfigured(f"AUTH_TYPE={AUTH_TYPE} is none that there is: cookie.")
AUTH_COOKIE = "opengpts_user_id"
# Who a request without the cookie is from.
AUTH_DEFAULT_USER: str | None = "static-default-user-id"
