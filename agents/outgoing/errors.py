"""Why a call to a user's address gave nothing. No message names an address that a host resolved to, or a secret."""

from opengpts.errors import OpenGPTsError


class OutgoingError(OpenGPTsError):
    """The other server could not be reached, or its answer cannot be used."""

    code = "outgoing_failed"


class AddressRefused(OutgoingError):
    """This server may not call the address."""

    code = "address_refused"
