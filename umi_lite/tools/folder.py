"""The text files of one folder as tools; nothing outside it is read."""

from pathlib import Path

from umi_lite.errors import UserError
from umi_lite.tools.tools import ToolError, unknown

_MOST_FILES = 200
_MOST_BYTES = 64_000


class Folder:
    """A folder whose files can be listed, read and searched.

    Args:
        path: the folder. Files in folders below it count, hidden ones do not.

    Raises:
        UserError: it is not a folder.
    """

    def __init__(self, path: Path):
        if not path.is_dir():
            raise UserError(f"{path} is not a folder: name one whose files the agent may read")
        self._root = path.resolve()

    def list_files(self) -> str:
        """The files in the folder."""
        names = self._names()
        more = f" and {len(names) - _MOST_FILES} more" if len(names) > _MOST_FILES else ""
        return ", ".join(names[:_MOST_FILES]) + more or "no files"

    def read_file(self, name: str) -> str:
        """Read a text file."""
        names = self._names()
        if name not in names:
            raise unknown("file", name, names)
        with (self._root / name).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if b"\0" in data:
            raise ToolError(f"{name} is not a text file")
        cut = " [cut]" if len(data) > _MOST_BYTES else ""
        return data[:_MOST_BYTES].decode("utf-8", errors="replace") + cut

    def find_text(self, text: str) -> str:
        """Find a text in the files."""
        found: list[str] = []
        for name in self._names()[:_MOST_FILES]:
            try:
                lines = self.read_file(name).splitlines()
            except ToolError:  # not a text file
                continue
            found += [f"{name}: {line.strip()}" for line in lines if text.lower() in line.lower()]
        return "\n".join(found) or "nothing"

    def _names(self) -> list[str]:
        """Return the files below the folder by their relative paths, in order.

        A link is followed only to what is in the folder too.
        """
        found: list[str] = []
        for path in self._root.rglob("*"):
            name = path.relative_to(self._root)
            hidden = any(part.startswith(".") for part in name.parts)
            if not hidden and path.is_file() and path.resolve().is_relative_to(self._root):
                found.append(name.as_posix())
        return sorted(found)
