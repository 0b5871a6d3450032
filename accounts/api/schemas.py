"""What `/auth` and `/api-keys` take and answer."""

from datetime import UTC, datetime
from typing import Annotated

from django.utils import timezone
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError
from rest_framework import serializers

from accounts.models import MAX_KEY_NAME, APIKey
from accounts.scopes import Scope
from opengpts.bodies import Name, without_nul

# Characters. What is longer is no password, and no token of ours.
MAX_PASSWORD, MAX_TOKEN = 4096, 8192


def _in_future(time: datetime) -> datetime:
    if time <= timezone.now():
        raise PydanticCustomError("date_future", "Input should be in the future")
    try:
        return time.astimezone(UTC)
    except OverflowError as exc:  # year 10000, where Greenwich is
        raise PydanticCustomError("date_future", "Input should be before the year 10000") from exc


Text = Annotated[str, AfterValidator(without_nul)]
KeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_KEY_NAME),
    AfterValidator(without_nul),
]
TokenText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOKEN)]


class KeyBody(BaseModel):
    """A new API key: what it is called, what it may be used for, and when it ends; null is never."""

    name: KeyName
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_future)] | None = None


class PasswordBody(BaseModel):
    """Who logs in."""

    username: Name
    password: Annotated[Text, StringConstraints(max_length=MAX_PASSWORD)]


class RefreshBody(BaseModel):
    """A refresh token, which is good for one refresh."""

    refresh: TokenText


class VerifyBody(BaseModel):
    """An access or a refresh token."""

    token: TokenText


class RevokeBody(BaseModel):
    """A refresh token, whose login is ended; with `all`, every login of its user."""

    refresh: TokenText
    all: bool = False


class TokenPair(BaseModel):
    """`access` goes into the header `Authorization: Bearer …`; `refresh` gets the next pair, once.

    The times are when they expire.
    """

    access: str
    refresh: str
    access_expires_at: datetime
    refresh_expires_at: datetime


class Me(BaseModel):
    """Who is asking, how that is known, and what they may do.

    `identified_by` is `cookie`, `session`, `jwt_local`, `jwt_oidc`, `local` or `api_key`. `expires_at` is when that
    proof is over; null where it does not say.
    """

    user_id: str
    identified_by: str
    scopes: list[Scope]
    expires_at: datetime | None


class APIKeySerializer(serializers.ModelSerializer[APIKey]):
    """An API key, without the key itself. `last_used_at` is exact to a minute."""

    scopes = serializers.SerializerMethodField()

    class Meta:
        model = APIKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"]
        read_only_fields = fields

    def get_scopes(self, key: APIKey) -> list[Scope]:
        return [scope for scope in Scope if scope in key.scopes]


class NewAPIKeySerializer(APIKeySerializer):
    """An API key that was just made. `key` is what programs send; it is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(APIKeySerializer.Meta):
        fields = [*APIKeySerializer.Meta.fields, "key"]
        read_only_fields = fields
