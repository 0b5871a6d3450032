"""What people and models write, as HTML that is safe to put into a page of ours. Model output is hostile input.

Markdown is rendered without its HTML, and the result is then cut down to an allow-list of tags and attributes: either
would do alone. Nothing in it is loaded from another server: an image from elsewhere would tell that server what stands
in its address, so it becomes a link. Only images that tools of this server made are shown.
"""

import re
from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Characters of a text that are rendered. What follows is told of, and can be read as it was written.
MAX_CHARACTERS = 20_000
# Cells that a text's widest line would make of all its lines. More are no table: each costs as much as a word, and rows
# that leave out theirs get them all the same.
MAX_CELLS = 5_000
# Where `agents.tools.images` keeps what tools made.
OUR_IMAGE = re.compile(r"/media/images/[0-9a-f]{32}\.(?:jpg|png|webp)", re.ASCII)

TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "em", "strong", "s"),
    *("code", "pre", "a", "img", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "ol": {"start"}, "*": set()}
SCHEMES = {"http", "https", "mailto"}
REL = "noopener noreferrer nofollow"
_WITHIN_LINK = "within_link"
_SURROGATES = re.compile("[\ud800-\udfff]")
_WEB = re.compile(r"https?://", re.IGNORECASE)


def render_markdown(text: str) -> SafeString:
    """`text` as HTML with none but `TAGS` and `ATTRIBUTES` in it, and links to none but `SCHEMES`."""
    shown = _SURROGATES.sub("\ufffd", text[:MAX_CHARACTERS])
    lines = shown.splitlines()
    cells = max((line.count("|") for line in lines), default=0) * len(lines)
    html = _CLEANER.clean((_WITH_TABLES if cells <= MAX_CELLS else _WITHOUT_TABLES).render(shown))
    if (left := len(text) - MAX_CHARACTERS) > 0:
        html += f"<p><em>… and {left:,} characters more.</em></p>"
    return mark_safe(html)  # nosec B308, B703  # nh3 has just cleaned it


def _mark_images_within_links(state: StateCore) -> None:
    for block in state.tokens:
        depth = 0
        for token in block.children or ():
            depth += token.nesting if token.type in ("link_open", "link_close") else 0
            if token.type == "image" and depth:
                token.meta[_WITHIN_LINK] = True


def _image(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An image of ours; another's as a link to it, or within a link as its words."""
    token = tokens[index]
    source, words = str(token.attrGet("src") or ""), self.renderInlineAsText(token.children or [], options, env)
    if OUR_IMAGE.fullmatch(source):
        return f'<img src="{escape(source)}" alt="{escape(words)}">'
    if token.meta.get(_WITHIN_LINK) or not _WEB.match(source):
        return escape(words)
    return f'<a href="{escape(source)}">{escape(words or source)}</a>'


def _kept(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src":
        return value if OUR_IMAGE.fullmatch(value) else None
    if tag == "ol" and attribute == "start":
        return value if value.isascii() and value.isdigit() else None
    return value


def _relative(address: str) -> str | None:
    """Of addresses on this server only those of images: a link may not have its reader press a button of ours."""
    return address if OUR_IMAGE.fullmatch(address) else None


def _markdown(*rules: str) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    markdown.enable(["strikethrough", *rules])
    markdown.core.ruler.push("images_within_links", _mark_images_within_links)
    markdown.add_render_rule("image", _image)
    return markdown


_WITH_TABLES, _WITHOUT_TABLES = _markdown("table"), _markdown()
_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    attribute_filter=_kept,
    url_schemes=SCHEMES,
    url_relative=_relative,
    link_rel=REL,
    generic_attribute_prefixes=set(),
)
