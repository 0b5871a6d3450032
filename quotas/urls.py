from django.urls import re_path

from quotas.views import QuotasView

urlpatterns = [re_path(r"^quotas/?$", QuotasView.as_view(), name="quotas")]
