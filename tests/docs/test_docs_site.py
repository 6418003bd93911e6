"""The documentation builds without a broken link, and its pages load nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import launched

import umi_lite
from scripts.build_docs import ROOT, build, gather
from scripts.write_reference import api_page, cli_page
from umi_lite.cli.examples import EXAMPLES


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("zensical", reason="the generator is not installed: pip install zensical")
    folder = tmp_path_factory.mktemp("site")
    assert build(folder) == 0
    return folder / "site"


class _Loads(HTMLParser):
    """The addresses that a page loads when it is opened: not those of its links."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loaded = name in ("src", "srcset", "poster", "data") or (tag, name) == ("link", "href")
            canonical = ("rel", "canonical") in attrs
            if loaded and value and not canonical:
                self.found.append(value)


def test_each_page_of_the_checkout_is_in_the_site(site: Path) -> None:
    nav = re.findall(r'= "(\S+)\.md"', (ROOT / "zensical.toml").read_text(encoding="utf-8"))
    pages = {path.relative_to(ROOT).as_posix()[:-3] for path in ROOT.glob("docs/*.md")}
    assert pages <= set(nav), "add it to the nav of zensical.toml"
    for name in nav:
        page = re.sub(r"(^|/)README$", r"\1index", name)
        assert (site / f"{page}.html").is_file(), name


def test_the_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loads = _Loads(text).found
        assert loads and not [one for one in loads if re.match(r"(https?:)?//", one)], page
        # Its script would load mermaid from elsewhere for a page with such a diagram.
        assert 'class="mermaid"' not in text, page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(@import\s*|url\(\s*)[\"']?(https?:)?//", text), sheet


def test_a_page_that_is_opened_asks_for_its_own_files(site: Path) -> None:
    """What its scripts load, too."""
    with launched() as browser:
        page, asked = browser.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index.html", "docs/cli.html"):
            page.goto((site / name).as_uri())
            page.keyboard.press("/")  # the search
            page.wait_for_load_state("networkidle")
    assert asked and all(url.startswith((site.as_uri(), "data:", "blob:")) for url in asked), asked


def test_the_reference_has_all_names_and_commands() -> None:
    api, cli = api_page(), cli_page()
    for name in umi_lite.__all__:
        assert f"\n## {name}\n" in api
    for method in ("load", "run", "stream", "chat", "arun", "astream"):
        assert f"\n### Agent.{method}\n" in api, method
    for words, example in EXAMPLES.items():
        assert f"# umi {words}\n" in cli or not words
        assert not words or f"```\n{example}\n```" in cli
    assert "| `--show-thoughts / --no-show-thoughts` |" in cli


def test_a_link_to_a_missing_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("[it](docs/nothing.md)")
    monkeypatch.setattr("scripts.build_docs.ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"README\.md: no file docs/nothing\.md"):
        gather(tmp_path / "out")
