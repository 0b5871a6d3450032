"""What is said of runs that did not come to their own end."""

from opengpts.errors import OpenGPTsError

CANCELLED = OpenGPTsError("The run was cancelled.", code="cancelled")
BEGUN_AGAIN = OpenGPTsError("This answer was broken off. The run goes on with a new one.", code="begun_again")

# How often a run is tried whose process dies.
MAX_ATTEMPTS = 3
GIVEN_UP = OpenGPTsError(f"The server stopped during this run, {MAX_ATTEMPTS} times.", code="run_lost")
