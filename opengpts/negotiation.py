"""In which form the API answers. Apart from `opengpts.api`, because DRF's views import it."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request


class AlwaysJSON(BaseContentNegotiation):
    """Answers with JSON, whatever the client says it accepts, as the original does: browsers ask for HTML."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
