"""Self-contained web pages: markup, style, script and data in one file that asks for no other."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources

_HOLE = re.compile(r"\{\{(\w+)\}\}")
# JSON has these characters in strings only. Written so, no markup can begin or end in them.
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def web_page(
    package: str, name: str, blocks: Sequence[str] = (), connect: str = "'none'", mode: str = "file"
) -> str:
    """Return the page of a package's files `NAME.html`, `NAME.css` and `NAME.js`.

    In the HTML, `{{style}}`, `{{script}}`, `{{policy}}`, `{{mode}}` and `{{data}}` are filled in.
    The script begins with `webpage.js`, which turns texts into text nodes, and with the files
    `NAME_*.js`; each of them defines one name.

    Args:
        blocks: what `json_block` returned.
        connect, mode: see `page_policy`; `mode` is for the script.
    """
    parts = {
        "style": _file(package, f"{name}.css"),
        "script": _script(package, name),
        "policy": page_policy(package, name, connect),
        "mode": escape(mode),
        "data": "\n".join(blocks),
    }
    # One pass: what is filled in is not looked at again.
    return _HOLE.sub(lambda hole: parts[hole[1]], _file(package, f"{name}.html"))


@cache
def page_policy(package: str, name: str, connect: str) -> str:
    """Return a page's Content-Security-Policy: its own script and style, and no others.

    Args:
        connect: what it may ask: `'none'` or `'self'`.
    """
    script = _digest(_script(package, name))
    style = _digest(_file(package, f"{name}.css"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def json_block(text: str, **attributes: str) -> str:
    """Return a block of JSON that a browser keeps as text; `data_x="y"` sets `data-x`."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )
    return f'<script type="application/json"{named}>{text.translate(_ESCAPED)}</script>'


@cache
def _script(package: str, name: str) -> str:
    found = (file.name for file in resources.files(package).iterdir())
    parts = sorted(file for file in found if file.startswith(f"{name}_") and file.endswith(".js"))
    files = [*parts, f"{name}.js"]
    return _file("umi_lite", "webpage.js") + "".join(_file(package, file) for file in files)


@cache
def _file(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
