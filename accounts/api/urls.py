from django.urls import re_path

from accounts.api.key_views import APIKeyViewSet
from accounts.api.me_view import show_me
from accounts.api.token_views import ObtainView, RefreshView, RevokeView, VerifyView
from opengpts.api import Router

router = Router()
router.register("api-keys", APIKeyViewSet, basename="api-key")
urlpatterns = [
    *router.urls,
    re_path(r"^auth/me/?$", show_me, name="me"),
    re_path(r"^auth/token/?$", ObtainView.as_view(), name="token"),
    re_path(r"^auth/token/refresh/?$", RefreshView.as_view(), name="token_refresh"),
    re_path(r"^auth/token/verify/?$", VerifyView.as_view(), name="token_verify"),
    re_path(r"^auth/token/revoke/?$", RevokeView.as_view(), name="token_revoke"),
]
