"""The wording lint finds words where a person reads them, and names as parts of identifiers."""

from pathlib import Path

import pytest

from scripts import wording

CODE = '''"""What a page tells."""
told = 1  # goes on
_tell_once = ToldOnce = retell = print(f"{told} stands")
'''


def test_names_are_parts_of_identifiers() -> None:
    made = wording.names("told = _tell_once = ToldOnce = retell = 'wishes'  # nobody")
    assert made == {"told": 2, "tell": 1}


def test_words_are_found_in_docstrings_comments_and_texts(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "one.py").write_text(CODE)
    (tmp_path / "README.md").write_text("It is no cat.\nIt is no longer one.\n")
    monkeypatch.setattr(wording, "ROOT", tmp_path)
    found = {line.split(" (")[0] for line in wording.findings()}
    expected = {
        "README.md:1: 'is no cat'",
        "scripts/one.py:1: 'tells'",
        "scripts/one.py:2: 'goes on'",
        "scripts/one.py:3: 'stands'",
    }
    assert found == expected
    assert list(wording.named()) == ["scripts/one.py: names: told 3, tell 1"]


@pytest.mark.parametrize("strict", [False, True])
def test_names_fail_only_where_that_is_set(strict: bool, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "one.py").write_text("told = 1\n")
    monkeypatch.setattr(wording, "ROOT", tmp_path)
    monkeypatch.setattr(wording, "FAIL_ON_NAMES", strict)
    assert wording.main() == int(strict)
