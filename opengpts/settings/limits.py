"""How much one user, and one request, may ask for."""

from opengpts.settings.environment import env

# Bytes. Larger request bodies are refused with 413.
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=8 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

# Uploads have limits of their own: files of a request, and its bytes. INGEST_MAX_FILE_BYTES is that of each file.
INGEST_MAX_FILES = env.int("INGEST_MAX_FILES", default=20)
INGEST_MAX_REQUEST_BYTES = env.int("INGEST_MAX_REQUEST_BYTES", default=200 * 1024 * 1024)
DATA_UPLOAD_MAX_NUMBER_FILES = INGEST_MAX_FILES
# Bytes. A larger file is refused.
INGEST_MAX_FILE_BYTES = env.int("INGEST_MAX_FILE_BYTES", default=50 * 1024 * 1024)

# Runs that one user may have going on, and waiting; runs that may wait on this server in all. More get a 429.
RUNS_AT_ONCE_PER_USER = env.int("RUNS_AT_ONCE_PER_USER", default=32)
RUNS_QUEUED_PER_USER = env.int("RUNS_QUEUED_PER_USER", default=200)
RUNS_QUEUED = env.int("RUNS_QUEUED", default=5000)
# API keys that a user may have in use.
API_KEYS_PER_USER = env.int("API_KEYS_PER_USER", default=50)
# Schedules that a user may have. Staff may give them more.
SCHEDULES_PER_USER = env.int("SCHEDULES_PER_USER", default=50)
