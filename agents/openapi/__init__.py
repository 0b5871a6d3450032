"""OpenAPI 3 documents, read as what a model may call.

`documents` reads the text, `operations` what it describes, with `schemas` for their arguments, and `requests` writes
the request of one call. Nothing here makes a request. Documents come from users and from other servers: whatever
stands in them is bounded, and wrong ones are told about in a sentence (`agents.errors.ToolUnavailable`).
"""
