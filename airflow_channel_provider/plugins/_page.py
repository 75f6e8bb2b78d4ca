"""
The page: one HTML file with its own style and script, and headers that allow no other script.

The policy names the style and the scripts by their hashes, so text in the page's data can't become one of them. Nothing
is loaded from another host.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files

REQUESTED_WITH = "airflow-channel-talk"
"""Value of the header ``X-Requested-With`` of a request that changes something."""

_NOTICE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<script>{theme}</script>
</head>
<body>
<header><div class="wrap"><div class="name"><h1>Channel Talk</h1></div></div></header>
<main class="wrap"><section class="blank"><h2>{title}</h2><p>{text}</p></section></main>
</body>
</html>
"""


@cache
def page() -> str:
    """Return the page's HTML."""
    return files(__package__).joinpath("page.html").read_text(encoding="utf-8")


def notice(title: str, text: str) -> str:
    """Return a page in the same style that says why the other one is not shown."""
    style, theme = _blocks("style")[0], _blocks("script")[0]
    return _NOTICE.format(title=html.escape(title), text=html.escape(text), style=style, theme=theme)


@cache
def headers() -> dict[str, str]:
    """Return the headers of every answer."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'none'",
                f"script-src {_hashes('script')}",
                f"style-src {_hashes('style')}",
                "connect-src 'self'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'self'",
            ]
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _hashes(tag: str) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in _blocks(tag))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _blocks(tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", page(), re.DOTALL)
