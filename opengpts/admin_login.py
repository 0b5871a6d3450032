"""The login of the admin. Apart from `opengpts.admin`, which apps import that the throttles stand on."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from opengpts.errors import RateLimited
from opengpts.throttling import throttle_login


class LoginForm(AdminAuthenticationForm):
    """The login, which may be tried only so often."""

    def clean(self) -> dict[str, Any]:
        if self.request is not None:
            try:
                throttle_login(self.request, name=self.cleaned_data.get("username"))
            except RateLimited as exc:
                raise ValidationError(exc.message, code=exc.code) from exc
        return super().clean()
