"""What is kept out of training must be read as it is written."""

import pytest

from umi_lite.data.leaks import read_excluded
from umi_lite.data.rows import BadRow
from umi_lite.errors import UserError


def test_an_instruction_with_an_umlaut_is_kept_out(tmp_path) -> None:
    path = tmp_path / "test.txt"
    path.write_text("Wie groß ist  Köln?\n", encoding="utf-8")
    with pytest.raises(BadRow, match="excluded"):
        read_excluded(path).check(None, "wie groß ist köln?")


@pytest.mark.parametrize("name", ["test.txt", "test.json"])
def test_another_encoding_is_refused(tmp_path, name: str) -> None:
    """Read with replaced letters it would exclude nothing."""
    path = tmp_path / name
    path.write_bytes('["Wie groß ist Köln?"]'.encode("latin-1"))
    with pytest.raises(UserError, match=r"not UTF-8 text; .* saved as UTF-8"):
        read_excluded(path)
