"""One line of the doctor's report."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Mark = Literal["✓", "✗", "–"]


class Line(BaseModel):
    """What was looked at and found.

    Attributes:
        mark: ✓ it works; ✗ it should and does not; – it is not there and need not be.
        fix: what to do about it, where there is something to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: Mark
    name: str
    found: str
    fix: str | None = None

    def __str__(self) -> str:
        return f"{self.mark} {self.name}: {self.found}" + (f"; fix: {self.fix}" if self.fix else "")
