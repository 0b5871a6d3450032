"""Logging in to the admin, with a limit on wrong passwords.

Counted in Django's cache, before the password is looked at, so that guesses made at once count too. An address that
guesses at many names is stopped as well as one that guesses at one. What is stopped is the address: nobody is kept from
logging in by what others try elsewhere.
"""

import hashlib
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError

# Seconds that a wrong password counts, from the first.
WINDOW = 15 * 60
TOO_MANY = "Too many wrong passwords. Try again in a quarter of an hour."


class LimitedLoginForm(AdminAuthenticationForm):
    """Django's form of the admin's login; it refuses to try more than LOGIN_ATTEMPTS passwords for a name."""

    def clean(self) -> dict[str, Any]:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        name = str(self.cleaned_data.get("username") or "")
        for_name, for_address = _key(name.casefold(), address), _key(address)
        # Both are counted, whichever says no.
        tries = (_count(for_name), _count(for_address))
        if tries[0] > settings.LOGIN_ATTEMPTS or tries[1] > settings.LOGIN_ATTEMPTS_PER_ADDRESS:
            raise ValidationError(TOO_MANY, code="too_many_attempts")
        cleaned = super().clean()
        cache.delete(for_name)
        # Only this one: with an account of their own, whoever guesses could begin anew.
        _uncount(for_address)
        return cleaned


def _key(*parts: str) -> str:
    return "login:" + hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _count(key: str) -> int:
    """How many tries this one makes."""
    cache.add(key, 0, WINDOW)
    try:
        return int(cache.incr(key))
    except ValueError:  # it was the last moment of the window
        cache.set(key, 1, WINDOW)
        return 1


def _uncount(key: str) -> None:
    with suppress(ValueError):  # its window has just ended
        cache.decr(key)
