"""Write docs/map.md: one phrase per file, from the first line of its docstring.

`python scripts/write_map.py` writes it; a test checks that it is up to date.
"""

import ast
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "map.md"
_HEAD = """\
# The map

One phrase per file, from its docstring. `python scripts/write_map.py` writes this page.
"""


def phrase(path: Path) -> str:
    """Return the first line of a module's docstring.

    Raises:
        ValueError: it has none, or one whose first line is not a whole sentence.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    first = (text or "").splitlines()[0] if text else ""
    if not first.endswith((".", "?", ":")):
        raise ValueError(f"{path.relative_to(ROOT)}: its docstring's first line is not a sentence")
    return first.removesuffix(":").removesuffix(".")


def page() -> str:
    """Return the page's text."""
    package = ROOT / "umi_lite"
    paths = sorted(package.rglob("*.py"), key=lambda path: (path.parent, path.name))
    parts = [_HEAD]
    for folder, files in groupby(paths, key=lambda path: path.parent):
        name = folder.relative_to(ROOT)
        rows = {path.name: phrase(path) for path in files}
        about = rows.pop("__init__.py", "")
        parts.append(f"\n## `{name}/`\n\n{about}.\n" if about else f"\n## `{name}/`\n")
        if rows:
            parts.append("\n| file | phrase |\n|---|---|\n")
            parts += [f"| `{file}` | {text} |\n" for file, text in rows.items()]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
