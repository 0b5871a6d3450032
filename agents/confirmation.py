"""Where a graph stands while a person is asked about tool calls, and what a model is told of calls left unanswered.

Nothing here imports LangChain: whoever reads or changes a thread's state needs these words too.
"""

# The node that asks. A thread whose next node it is waits for an answer.
CONFIRMATION_NODE = "ToolConfirmation.after_model"

NOT_APPROVED = "The user did not approve this call, so it was not run."
# Approved, when the assistant had neither these tools nor anybody to ask any more.
TOO_LATE = "The user approved this call, but the assistant was changed meanwhile, so it was not run."
BROKEN_OFF = "This call was broken off before its result was known. It may or may not have been run."
