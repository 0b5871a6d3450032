from opengpts.api import Router
from runs.views import RunViewSet

router = Router()
router.register("runs", RunViewSet, basename="run")
urlpatterns = router.urls
