"""The page's own readers of streams and Markdown, fed with everything that can go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]

STREAM = (
    ': ping\n\nevent: start\ndata: {"message_id": "1"}\n\n'
    'event: text\ndata: {"text": "Grüße 👋\\n\\n**x**"}\n\n: ping\n\n'
    'event: end\ndata: {"state": "completed"}\n\n'
)
FRAMES = [
    {"event": "start", "data": {"message_id": "1"}},
    {"event": "text", "data": {"text": "Grüße 👋\n\n**x**"}},
    {"event": "end", "data": {"state": "completed"}},
]
READ = """async ([text]) => {
  const { frames } = await import("/static/lexcustis/chat/sse.js");
  const bytes = new TextEncoder().encode(text);
  const read = [];
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const stream = new ReadableStream({ start(controller) {
      controller.enqueue(bytes.slice(0, cut));
      controller.enqueue(bytes.slice(cut));
      controller.close();
    } });
    const found = [];
    for await (const frame of frames(new Response(stream))) found.push(frame);
    read.push(JSON.stringify(found));
  }
  return [...new Set(read)];
}"""
GROW = """async ([text, size]) => {
  const { LiveText } = await import("/static/lexcustis/chat/live.js");
  const box = document.createElement("div");
  document.body.append(box);
  const live = new LiveText(box);
  for (let at = 0; at < text.length; at += size) {
    live.append(text.slice(at, at + size));
    live.flush();
  }
  const tags = [...box.querySelectorAll("*")].map((element) => element.tagName.toLowerCase());
  const attributes = [...box.querySelectorAll("*")].some((element) => element.attributes.length);
  return { html: box.innerHTML, tags: [...new Set(tags)], attributes };
}"""
MARKDOWN = """# Head

First *line*
second **bold** and `code`

- one
- two **b**

1. first
2. second

## Next
```python
def f():

    return "<b>"
```
after
~~~
```
~~~
> quoted
> on
>
> and on

| a | b |
|---|---|
"""


@pytest.fixture
def window(visit: Visits) -> Visit:
    opened = visit()
    opened.page.goto(f"{opened.url}/accounts/login/")
    return opened


def test_frames_are_read_however_the_bytes_are_cut(window: Visit) -> None:
    read = window.page.evaluate(READ, [STREAM])
    assert [json.loads(one) for one in read] == [FRAMES]


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_growing_text_looks_the_same_in_whatever_pieces_it_comes(window: Visit, size: int) -> None:
    grown = window.page.evaluate(GROW, [MARKDOWN, size])
    assert grown["html"] == (
        "<h1>Head</h1>"
        "<p>First <em>line</em>\nsecond <strong>bold</strong> and <code>code</code></p>"
        "<ul><li>one</li><li>two <strong>b</strong></li></ul>"
        "<ol><li>first</li><li>second</li></ol>"
        "<h2>Next</h2>"
        '<pre><code>def f():\n\n    return "&lt;b&gt;"\n</code></pre>'
        "<p>after</p>"
        "<pre><code>```\n</code></pre>"
        "<blockquote><p>quoted\non</p><p>and on</p></blockquote>"
        "<pre>| a | b |\n|---|---|</pre>"
    )


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_growing_text_is_only_ever_text(window: Visit, size: int) -> None:
    hostile = (
        "<img src=x onerror=alert(1)>\n\n# <script>alert(1)</script>\n\n"
        "- <a href='javascript:b'>c</a> `<svg onload=x>` **<iframe>**\n\n"
        "```<b>\n</code></pre><script>alert(1)</script>\n```\n"
    )
    grown = window.page.evaluate(GROW, [hostile, size])
    assert set(grown["tags"]) <= {
        "p",
        "h1",
        "ul",
        "li",
        "code",
        "strong",
        "em",
        "pre",
        "blockquote",
    }
    assert grown["attributes"] is False
