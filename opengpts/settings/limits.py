"""How much one user, and one request, may ask for."""

from decimal import Decimal

from opengpts.settings.environment import env

# Bytes. Larger request bodies are refused with 413.
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=8 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# Seconds that may go by without any more of a body: then 408.
BODY_TIMEOUT = env.float("BODY_TIMEOUT", default=60.0)
# Bytes of the address of a request with its query, and of all its headers. More is refused with 414 and 431.
MAX_URL_BYTES = env.int("MAX_URL_BYTES", default=16 * 1024)
MAX_HEADER_BYTES = env.int("MAX_HEADER_BYTES", default=64 * 1024)

# Messages that one request may bring: reading them keeps a process from everything else.
MAX_MESSAGES_PER_REQUEST = env.int("MAX_MESSAGES_PER_REQUEST", default=1000)
# Of one message: characters of its text, bytes of all of it as JSON, blocks of its content, calls of tools.
MAX_MESSAGE_CHARACTERS = env.int("MAX_MESSAGE_CHARACTERS", default=1_000_000)
MAX_MESSAGE_BYTES = env.int("MAX_MESSAGE_BYTES", default=6 * 1024 * 1024)
MAX_CONTENT_BLOCKS = env.int("MAX_CONTENT_BLOCKS", default=256)
MAX_TOOL_CALLS = env.int("MAX_TOOL_CALLS", default=128)
# Messages that a thread takes, those that were replaced or removed included. What a run says is kept all the same.
MAX_MESSAGES_PER_THREAD = env.int("MAX_MESSAGES_PER_THREAD", default=100_000)
# Bytes of the config of an assistant, a run or a schedule, as JSON.
MAX_CONFIG_BYTES = env.int("MAX_CONFIG_BYTES", default=2 * 1024 * 1024)

# Uploads have limits of their own: files of a request, and its bytes. INGEST_MAX_FILE_BYTES is that of each file.
INGEST_MAX_FILES = env.int("INGEST_MAX_FILES", default=20)
INGEST_MAX_REQUEST_BYTES = env.int("INGEST_MAX_REQUEST_BYTES", default=200 * 1024 * 1024)
DATA_UPLOAD_MAX_NUMBER_FILES = INGEST_MAX_FILES
# Bytes. A larger file is refused.
INGEST_MAX_FILE_BYTES = env.int("INGEST_MAX_FILE_BYTES", default=50 * 1024 * 1024)
# Documents that one assistant or thread may have.
INGEST_MAX_DOCUMENTS = env.int("INGEST_MAX_DOCUMENTS", default=1000)

# Assistants and threads that a user may have. Of the others' assistants they use as many as there are.
ASSISTANTS_PER_USER = env.int("ASSISTANTS_PER_USER", default=1000)
THREADS_PER_USER = env.int("THREADS_PER_USER", default=20_000)
# Runs that one user may have going on, and waiting; runs that may wait on this server in all. More get a 429.
RUNS_AT_ONCE_PER_USER = env.int("RUNS_AT_ONCE_PER_USER", default=32)
RUNS_QUEUED_PER_USER = env.int("RUNS_QUEUED_PER_USER", default=200)
RUNS_QUEUED = env.int("RUNS_QUEUED", default=5000)
# API keys that a user may have in use.
API_KEYS_PER_USER = env.int("API_KEYS_PER_USER", default=50)
# Schedules that a user may have. Staff may give them more.
SCHEDULES_PER_USER = env.int("SCHEDULES_PER_USER", default=50)

# What each user may use on a day (UTC's): runs, tokens that models read and write, their cost in USD. And the bytes
# that one may have stored, of documents and of messages in threads. None: not limited. Staff may say otherwise for
# users and groups.
QUOTA_RUNS_PER_DAY = env.limit("QUOTA_RUNS_PER_DAY", int)
QUOTA_TOKENS_PER_DAY = env.limit("QUOTA_TOKENS_PER_DAY", int)
QUOTA_COST_PER_DAY = env.limit("QUOTA_COST_PER_DAY", Decimal)
QUOTA_STORAGE_BYTES = env.limit("QUOTA_STORAGE_BYTES", int, default=10 * 1024**3)

# How often may be asked; more get a 429. By users: requests of any kind, and uploads among them. By those that nobody
# knows, by address. Logins, by address and by the user name that is tried. None: as often as they like.
THROTTLE_USER = env.rate("THROTTLE_USER", default="3000/minute")
THROTTLE_UPLOADS = env.rate("THROTTLE_UPLOADS", default="120/minute")
THROTTLE_ANONYMOUS = env.rate("THROTTLE_ANONYMOUS", default="600/minute")
THROTTLE_LOGIN = env.rate("THROTTLE_LOGIN", default="20/minute")
# Proxies in front of this server, each of which adds to X-Forwarded-For whom it was asked by: that many of its last
# entries are theirs, and the first of these is the client. 0: the header is not believed, and whoever connects is.
NUM_PROXIES = env.int("NUM_PROXIES", default=0)
# Streams and WebSockets that one user may have open at each process of the server. More get a 429.
STREAMS_PER_USER = env.int("STREAMS_PER_USER", default=200)
