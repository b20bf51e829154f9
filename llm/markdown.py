"""Markdown to HTML that is safe to show: what a model writes is hostile until rendered here.

One renderer serves pages, exports and paper. No raw HTML, no images (each could carry text away
in its address), and only links to whole ``https:`` or ``mailto:`` addresses. The
Content-Security-Policy is the second wall, not the first.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt

# Longer, deeper, or with more marks than any honest answer has: such text would cost the parser
# time that grows with the square of its length. It is shown as it was written, and nothing is lost.
MAX_CHARACTERS = 200_000
MAX_LINES = 5_000
MAX_DELIMITERS = 4_000
MAX_PIPES = 5_000
MAX_DEPTH = 40

_DELIMITERS = re.compile(r"[\[\]*_~`<&!\\]")
_DEEP = re.compile(
    rf"^(?:(?:[ \t]*(?:>|[-*+]|\d{{1,9}}[.)])){{{MAX_DEPTH}}}|[ \t]{{{MAX_DEPTH},}}(?:[-*+>]|\d))",
    re.MULTILINE,
)
_BARE_HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?\Z", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^\s@<>,;?&]+@[a-z0-9.-]+\Z", re.IGNORECASE)

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "s", "a"),
}
_LANGUAGE = re.compile(r"language-[A-Za-z0-9_+#.-]{1,40}\Z")
_ALIGNMENT = {"text-align:left": "left", "text-align:center": "center", "text-align:right": "right"}


def render(text: str) -> str:
    """*text* as an HTML fragment. Links open elsewhere, say so in ``rel``, and tell nothing."""
    if _is_costly(text):
        return f"<pre>{html.escape(text)}</pre>"
    return _CLEANER.clean(_MARKDOWN.render(text))


def is_allowed_link(address: str) -> bool:
    """Whether *address* is a whole ``https:`` address or a plain ``mailto:`` one."""
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in address):
        return False
    if _MAIL.match(address):
        return True
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if parts.scheme != "https" or not address.lower().startswith("https://"):
        return False
    return "\\" not in address and bool(_BARE_HOST.match(parts.netloc))


def _is_costly(text: str) -> bool:
    return (
        len(text) > MAX_CHARACTERS
        or text.count("\n") > MAX_LINES
        or text.count("|") > MAX_PIPES
        or len(_DELIMITERS.findall(text)) > MAX_DELIMITERS
        or _DEEP.search(text) is not None
    )


def _attribute(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        return value if is_allowed_link(value) else None
    if tag == "code" and attribute == "class":
        return value if _LANGUAGE.match(value) else None
    return value


def _parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": MAX_DEPTH})
    markdown.enable(["table", "strikethrough"]).disable(["image", "html_block", "html_inline"])
    # Table cells carry their alignment as a style, which the policy forbids: a plain attribute.
    for name in ("th_open", "td_open"):
        markdown.add_render_rule(name, _cell)
    markdown.validateLink = is_allowed_link  # type: ignore[method-assign,assignment]
    return markdown


def _cell(renderer, tokens, index, options, environment) -> str:  # type: ignore[no-untyped-def]  # markdown-it's own signature, untyped there too
    token = tokens[index]
    style = token.attrs.pop("style", None)
    if style in _ALIGNMENT:
        token.attrs["align"] = _ALIGNMENT[style]
    rendered: str = renderer.renderToken(tokens, index, options, environment)
    return rendered


_MARKDOWN = _parser()
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={
        "a": {"href", "title"},
        "code": {"class"},
        "ol": {"start"},
        "th": {"align"},
        "td": {"align"},
    },
    attribute_filter=_attribute,
    url_schemes={"https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    strip_comments=True,
)
