from assistants.views import AssistantViewSet
from opengpts.api import Router

router = Router()
router.register("assistants", AssistantViewSet, basename="assistant")
urlpatterns = router.urls
