"""A process that asks the local model: `python -m tests.integration.agents.local_model_user`.

It prints one line of JSON, `{"answer", "url", "owner", "child"}`, and goes on until its standard input ends. Where
the model's files are is up to `DATA_DIR`.
"""

import json
import os
import sys

import django

if __name__ == "__main__":
    os.environ["LOCAL_MODEL"] = "auto"
    django.setup()
    from agents.language_models import local_model

    answer = local_model.build_local_chat_model(max_tokens=5).invoke("hi! my name is bob").content
    state = local_model.shared_supervisor().state()
    assert state is not None
    print(json.dumps({"answer": answer, "url": state.url, "owner": state.owner, "child": state.child}), flush=True)
    sys.stdin.read()
