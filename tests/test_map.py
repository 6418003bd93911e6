"""docs/map.md is up to date with the docstrings."""

import pytest

from scripts import write_map


def test_the_map_is_up_to_date() -> None:
    found = write_map.PAGE.read_text(encoding="utf-8")
    assert found == write_map.page(), "run python scripts/write_map.py"


def test_a_file_without_a_phrase_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(write_map, "ROOT", tmp_path)
    bare = tmp_path / "bare.py"
    bare.write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"bare\.py"):
        write_map.phrase(bare)
