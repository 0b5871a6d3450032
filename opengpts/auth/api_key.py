"""API keys, which programs send whatever AUTH_TYPE is."""

from accounts.keys import KEY_START, find_api_key
from opengpts.auth.credentials import Credentials
from opengpts.auth.identified import Identified


def by_api_key(credentials: Credentials) -> Identified | None:
    """Whose API key it is that came as a bearer token, or as `X-Api-Key`. None where none came.

    Raises `Unauthenticated` for a key that is none, or none any more.
    """
    given = next((text for text in (credentials.token, credentials.api_key) if text and text.startswith(KEY_START)), "")
    if not given:
        return None
    key = find_api_key(token=given)
    return Identified(key.owner, "api_key", scopes=key.scopes, expires_at=key.expires_at)
