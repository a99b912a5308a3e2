"""One file of it all: template, style, scripts, data."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

SCRIPTS = ("text.js", "layout.js", "graph.js", "sweep.js", "view.js", "details.js", "main.js")


def page(data: dict[str, Any]) -> str:
    """The page: nothing in it is loaded from elsewhere, and only this script and this style may run in it."""
    style, script = _file("page.css"), _script()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    parts = {
        "policy": html.escape(policy, quote=False),
        "title": html.escape(_written(data["title"])),
        "style": style,
        "data": embedded(data),
        "script": script,
    }
    return re.sub(r"\$(policy|title|style|data|script)\b", lambda found: parts[found[1]], _file("page.html"))


def embedded(data: Any) -> str:
    """Data as JSON that can stand in a script element, whatever text is in it.

    >>> embedded({"label": "</script><!--"})
    '{"label":"\\\\u003c/script\\\\u003e\\\\u003c!--"}'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII: no U+2028, no lone surrogate
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _written(text: str) -> str:
    """Text without what UTF-8 or HTML has no way to write."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


@cache
def _script() -> str:
    """All scripts in one, with names that the page alone sees."""
    return '"use strict";\n(() => {\n' + "\n".join(_file(name) for name in SCRIPTS) + "})();\n"
