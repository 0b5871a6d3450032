"""What clients are told when a model or a tool cannot do what it should, or a config cannot be run."""

from opengpts.errors import OpenGPTsError


class ModelUnavailable(OpenGPTsError):
    """The model cannot be used until someone changes something: no key, a wrong key, no server there."""

    code = "model_unavailable"


class ModelFailed(OpenGPTsError):
    """The model could be reached and did not answer as it should: an error of its provider, or a broken stream."""

    code = "model_failed"


class ToolUnavailable(OpenGPTsError):
    """A tool cannot be used until someone changes something: no key, no server there, a service that has ended."""

    code = "tool_unavailable"


class ToolFailed(OpenGPTsError):
    """A tool could not do what it was asked: its service refused, failed, or answered what makes no sense."""

    code = "tool_failed"


class ToolTimedOut(OpenGPTsError):
    """A tool did not answer within TOOL_TIMEOUT. Only its model is told: the run goes on."""

    code = "tool_timed_out"


class InvalidConfig(OpenGPTsError):
    """An assistant's config cannot be run as it is. The message names the key and what may stand there."""

    code = "invalid_config"
