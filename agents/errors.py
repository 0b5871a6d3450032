"""What clients are told when a model cannot answer."""

from opengpts.errors import OpenGPTsError


class ModelUnavailable(OpenGPTsError):
    """The model cannot be used until someone changes something: no key, a wrong key, no server there."""

    code = "model_unavailable"


class ModelFailed(OpenGPTsError):
    """The model could be reached and did not answer as it should: an error of its provider, or a broken stream."""

    code = "model_failed"
