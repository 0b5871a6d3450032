"""Markdown as safe HTML: whatever people and models write."""

import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from opengpts.markdown import ATTRIBUTES, MAX_CHARACTERS, OUR_IMAGE, REL, SCHEMES, TAGS, render_markdown

pytestmark = pytest.mark.once

IMAGE = f"/media/images/{'0' * 32}.png"
HOSTILE = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><desc><script>alert(1)</script>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi><mtext></table></mtext><style><img src=x onerror=alert(1)>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><iframe srcdoc='<script>alert(1)</script>'>",
    "<a href='javascript:alert(1)'>x</a><form action=x><button formaction=javascript:alert(1)>",
    "<div style='position:fixed;inset:0' class='x' id='content'>over everything",
    "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<p unclosed='<b><i><script",
    "</textarea></title></style></script></pre><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](&#106;&#97;vascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java&Tab;script:alert&lpar;1&rpar;)",
    "[x](java&NewLine;script:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](intent://evil#Intent;end)",
    "[x](//evil.example/)",
    "[x](/admin/logout/)",
    "[x](\\\\evil.example\\x)",
    "[x](?action=delete)",
    "[x](#content)",
    '[x](https://a.example "onmouseover=alert(1)")',
    "[x](https://a.example' onmouseover='alert(1))",
    '[x](https://a.example" onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "<data:text/html,<script>alert(1)</script>>",
    "[x]\n\n[x]: javascript:alert(1)",
    "[x][y]\n\n[y]: <data:text/html,x> 'title'",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "![x](https://evil.example/pixel.png?secret=1)",
    "![x](//evil.example/pixel.png)",
    f"![x](https://evil.example{IMAGE})",
    f"![x](/admin/..{IMAGE}/../../x)",
    f"![x]({IMAGE.replace('.png', '.svg')})",
    f"![x]({IMAGE}?onerror=alert(1))",
    '![x" onerror="alert(1)](https://evil.example/x.png)',
    f'![x" onerror="alert(1)]({IMAGE} "onload=alert(1)")',
    "[![x](https://evil.example/1.png)](https://a.example)",
    "![[x](javascript:alert(1))](https://evil.example/2.png)",
    "```html onclick=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    '``` " onmouseover=alert(1) x="\nx\n```',
    "`<script>alert(1)</script>`",
    "| a |\n|:-:|\n| <script>alert(1)</script> |",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "\ud800<script>\udfffalert(1)</script>\x00",
    "\u202e<script>\ufeffalert(1)",
    "<a href=https://a.example target=_blank rel=opener>x</a>",
    "1000000000000. x",
    "<details open ontoggle=alert(1)>",
]
BOMBS: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "[" * n,
    "closed brackets": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "links begun": lambda n: "[a](" * (n // 4),
    "links begun in angles": lambda n: "[a](<b" * (n // 6),
    "images begun": lambda n: "![" * (n // 2),
    "images in images": lambda n: "![" * (n // 6) + "](b)" * (n // 6),
    "images in a link": lambda n: "[" + "![a](b)" * (n // 8) + "](https://c.example)",
    "links around images": lambda n: "[![a](b)](c)" * (n // 12),
    "quotes": lambda n: ">" * n,
    "quotes of lists": lambda n: "> - " * (n // 4),
    "lists in lists": lambda n: "- " * (n // 2),
    "stars": lambda n: "*" * (n // 2) + "x" + "*" * (n // 2),
    "emphasis": lambda n: "*a _b" * (n // 5),
    "struck": lambda n: "~~a" * (n // 3),
    "backticks": lambda n: "".join("`" * (i % 150) + " " for i in range(n // 75)),
    "entities": lambda n: "&#" * (n // 2),
    "references": lambda n: "[a]: x\n" * (n // 7),
    "references used": lambda n: "[a]: " + "x" * (n // 4) + "\n\n" + "[a]" * (n // 4),
    "comments": lambda n: "<!--" * (n // 4),
    "autolinks": lambda n: "<a:" * (n // 3),
    "a wide table": lambda n: "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n" + "|\n" * (n // 2 - 400),
    "a long table": lambda n: "|a|\n|-|\n" + "|" * n,
    "tags": lambda n: "<b>" * (n // 3),
}


def problems(text: str) -> list[str]:
    """What is in the HTML of `text` that must not be, by a parser of HTML."""
    shown = render_markdown(text)
    parsed = html.fragment_fromstring(shown, create_parent="div")
    found = []
    for element in parsed.iterdescendants():
        if isinstance(element, etree._Comment) or element.tag not in TAGS:
            found.append(f"the tag {element.tag}")
            continue
        if element.tag == "a" and element.attrib.pop("rel", None) != REL:
            found.append("a link without rel")
        found += [
            f"{element.tag} {name}={value}"
            for name, value in element.attrib.items()
            if name not in ATTRIBUTES.get(str(element.tag), ()) or not is_safe(str(element.tag), str(name), str(value))
        ]
    return found


def is_safe(tag: str, name: str, value: str) -> bool:
    if (tag, name) == ("img", "src") or (name == "href" and value.startswith("/")):
        return bool(OUR_IMAGE.fullmatch(value))
    return urlsplit(value).scheme in SCHEMES if name == "href" else True


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_hostile_is_only_text(text: str) -> None:
    assert problems(text) == []
    shown = render_markdown(text)
    assert "<script" not in shown.lower()
    assert "evil.example" not in str([image.attrib for image in html.fragment_fromstring(shown, "p").iter("img")])


@given(st.lists(st.one_of(st.sampled_from([*HOSTILE, "\n", "\n\n", " ", "[", "](", ")", "`", "> ", "- "]), st.text())))
@settings(max_examples=300, deadline=None)
def test_of_any_text_only_what_is_allowed_remains(parts: list[str]) -> None:
    assert problems("".join(parts)) == []


def test_it_is_still_markdown() -> None:
    text = "# Herons\n\n*grey* **big** ~~white~~ `x<y`\nnext\n\n3. a\n4. b\n\n"
    text += "| a | b |\n|---|---|\n| 1 | 2 |\n\n> so\n\n---\n\n"
    assert render_markdown(text) == (
        "<h1>Herons</h1>\n<p><em>grey</em> <strong>big</strong> <s>white</s> <code>x&lt;y</code><br>\nnext</p>\n"
        '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n"
        "<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table>\n"
        "<blockquote>\n<p>so</p>\n</blockquote>\n<hr>\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[x](https://a.example/?q=1&r)", f'<a href="https://a.example/?q=1&amp;r" rel="{REL}">x</a>'),
        ("[x](mailto:a@b.example)", f'<a href="mailto:a@b.example" rel="{REL}">x</a>'),
        ("<https://a.example>", f'<a href="https://a.example" rel="{REL}">https://a.example</a>'),
        # What is no link stays the text that it is.
        ("https://a.example", "https://a.example"),
        (f"![a pixel]({IMAGE})", f'<img src="{IMAGE}" alt="a pixel">'),
        # Nothing is loaded from elsewhere.
        ("![a cat](https://b.example/c.png)", f'<a href="https://b.example/c.png" rel="{REL}">a cat</a>'),
        ("![](https://b.example/c.png)", f'<a href="https://b.example/c.png" rel="{REL}">https://b.example/c.png</a>'),
        ("[![c](https://b.example/c.png)](https://a.example)", f'<a href="https://a.example" rel="{REL}">c</a>'),
        ("![c](cat.png)", "c"),
    ],
)
def test_links_and_images(text: str, shown: str) -> None:
    assert render_markdown(text) == f"<p>{shown}</p>\n"


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = render_markdown("x" * (MAX_CHARACTERS + 1234))
    assert shown.count("x") == MAX_CHARACTERS
    assert shown.endswith("<p><em>… and 1,234 characters more.</em></p>")
    assert len(render_markdown("[" * 5_000_000)) < 2 * MAX_CHARACTERS


def work(text: str) -> int:
    """Calls of functions that rendering takes."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        render_markdown(text)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_work_and_result_grow_no_faster_than_the_text(bomb: Callable[[int], str]) -> None:
    quarter, half = bomb(MAX_CHARACTERS // 4), bomb(MAX_CHARACTERS // 2)
    done = work(half)
    assert done < 3 * work(quarter) + 10_000
    assert done < 250 * len(half)
    whole = bomb(MAX_CHARACTERS)
    assert problems(whole) == []
    assert len(render_markdown(whole)) < 10 * MAX_CHARACTERS
