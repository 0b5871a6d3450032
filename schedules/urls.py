from opengpts.api import Router
from schedules.views import ScheduleViewSet

router = Router()
router.register("schedules", ScheduleViewSet, basename="schedule")
urlpatterns = router.urls
