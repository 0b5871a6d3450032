"""Who is asking, and what they may ask for: the one identity check, for views and for consumers.

`check` is where it begins; each way of saying who one is has a module beside it.
"""

from accounts.scopes import Scope
from opengpts.auth.check import check_still, identify, identify_scope
from opengpts.auth.credentials import BEARER, Credentials
from opengpts.auth.identified import Identified
from opengpts.auth.rest import Identity, IdentityIfAny, MayAsk, identified, requester
from opengpts.auth.scopes import ANY_KEY, PEOPLE, Need, Needs, needing, require

__all__ = [
    "ANY_KEY",
    "BEARER",
    "PEOPLE",
    "Credentials",
    "Identified",
    "Identity",
    "IdentityIfAny",
    "MayAsk",
    "Need",
    "Needs",
    "Scope",
    "check_still",
    "identified",
    "identify",
    "identify_scope",
    "needing",
    "requester",
    "require",
]
