from opengpts.api import Router
from threads.views import ThreadViewSet

router = Router()
router.register("threads", ThreadViewSet, basename="thread")
urlpatterns = router.urls
