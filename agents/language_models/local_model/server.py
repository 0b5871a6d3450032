"""The process of the local model: serves the weights over OpenAI's API, on a free loopback port, until its parent ends.

Run as a script, `server.py WEIGHTS`. It imports nothing of this project, so that it starts fast and stays small.
Once it can answer it prints `{"url": …}`, one line, to standard output. It ends when its standard input
does: the kernel closes that with the parent, however the parent dies.
"""

import json
import os
import sys
import threading

import xllamacpp

NAME = "smollm2-135m-instruct"
CONTEXT_TOKENS = 8192
# What one step of reading a prompt takes in. A cancelled request is noticed between steps, about half a second each.
BATCH_TOKENS = 128
# What was read for other threads and pushed out of the one slot is kept for when they go on: reading takes long,
# 5 s for 1000 tokens on one core. 23 KiB a token.
PROMPT_CACHE_MIB = 128


def main() -> None:
    """Serve until standard input ends."""
    # The engine's own words go to standard error: standard output carries one line, for the parent.
    parent = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    watch = threading.Thread(target=_end_with_parent)
    watch.start()
    try:
        server = xllamacpp.Server(_parameters(sys.argv[1]))
        print(json.dumps({"url": server.listening_address}), file=parent, flush=True)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    watch.join()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # At once: there is nothing to save, and the engine's threads would not hear of anything gentler.
    os._exit(0)


def _parameters(weights: str) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # Pages of the web in a browser on this machine are not clients.
    params.cors_origins = "null"
    params.ui = False
    params.use_jinja = True
    # A conversation that ends with an answer gets another one. Continued, that answer would be found complete.
    params.prefill_assistant = False
    params.verbosity = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1  # a slot; further requests queue
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.n_gpu_layers = 0
    params.cache_ram_mib = PROMPT_CACHE_MIB
    # One core stays free: threads of the engine spin, and beside other work on every core they wait for each other.
    threads = max(1, _cores() - 1)
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    return params


def _cores() -> int:
    """The processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
