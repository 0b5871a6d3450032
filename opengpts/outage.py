"""Tells of an outage when it begins and when it is over, however often something fails in between."""

import logging


class Outage:
    """Whether something that others provide can be reached, as the last who tried has seen it."""

    def __init__(self, logger: logging.Logger, *, begun: str, over: str) -> None:
        """`begun` and `over` are what the log is told: what does not work, and that it does again."""
        self._logger = logger
        self._begun, self._over = begun, over
        self.ongoing = False

    def met(self, reason: Exception) -> None:
        """A try has failed."""
        if not self.ongoing:
            self.ongoing = True
            self._logger.warning("%s: %s", self._begun, str(reason) or type(reason).__name__)

    def over(self) -> None:
        """A try has worked."""
        if self.ongoing:
            self.ongoing = False
            self._logger.warning("%s.", self._over)
