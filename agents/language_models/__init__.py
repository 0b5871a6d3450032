"""The language models that an assistant may name: which there are, what each needs, how it is built and what it costs.

Their table is `agents.models`. `catalogue` is the door for who wants to know, `chat_models` for who wants to run one.
"""
