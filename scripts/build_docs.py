"""Build the documentation as pages to open from disk: `make docs`; the result is in build/docs.

The Markdown files keep their places, so a link works in a checkout and in a page. The reference of
the command line and of the Python API, and the page of examples, are written from the code.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.write_reference import api_page, cli_page, examples_page

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "docs"
_PAGES = ("*.md", "docs/*.md", "benchmarks/**/*.md", "umi_lite/recipes/*.md")
_PICTURES = ("docs/*.png", "docs/*.svg")


def gather(folder: Path) -> None:
    """Copy all pages and pictures into a new folder, and write the generated pages there."""
    shutil.rmtree(folder, ignore_errors=True)
    for pattern in (*_PAGES, *_PICTURES):
        for path in ROOT.glob(pattern):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    for page in folder.rglob("*.md"):
        page.write_text(_linked(page.read_text(encoding="utf-8"), page, folder), encoding="utf-8")
    made = {"cli": cli_page(), "api": api_page(), "examples": examples_page()}
    for name, text in made.items():
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")


def _linked(text: str, page: Path, folder: Path) -> str:
    """Return a page whose links to files of the checkout that are no pages are plain code.

    Raises:
        ValueError: a link leads to a file that does not exist.
    """

    def replace(found: re.Match[str]) -> str:
        label, target = found[1], found[2].partition("#")[0]
        if "://" in target or not target:
            return found[0]
        if target == "examples/":
            return f"[{label}](docs/examples.md)"
        place = (page.parent / target).resolve()
        if place.exists():
            return found[0]
        if not (ROOT / place.relative_to(folder.resolve())).exists():
            raise ValueError(f"{page.relative_to(folder)}: no file {target}")
        return label

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", replace, text)


def build(out: Path = OUT) -> int:
    """Build the pages in a folder, which then has them in `site`.

    Returns:
        The exit status of the generator; a broken link or anchor is an error.
    """
    gather(out / "pages")
    shutil.rmtree(out / "site", ignore_errors=True)
    shutil.copy(ROOT / "zensical.toml", out)
    program = Path(sys.executable).parent / "zensical"
    return subprocess.run([program, "build", "--strict", "--clean"], cwd=out).returncode


if __name__ == "__main__":
    sys.exit(build())
