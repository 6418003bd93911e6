"""How a recipe varies a source's training trajectories (`data[].vary`); `data.vary` does it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
_Size = Annotated[int, Field(ge=1, le=64, strict=True)]


class Vary(BaseModel):
    """How a source's training trajectories are varied; by default they are not.

    Attributes:
        rename: share of the trajectories whose tools and arguments get synonyms or names without
            a meaning.
        values: share of the trajectories whose people, places and things get other names.
        shuffle: True for tools and arguments in another order.
        company: the smallest and largest number of tools, drawn for each trajectory; others
            come from the same source. A task that no tool fits gets tools that have no word in
            common with it.
        together: trajectories in a row that offer the same tools, those that each of them calls
            among others. So tools differ by what is asked for alone, and rows share a prefix,
            which is read once per pack. Four in ten stay alone.
        shorten: share of the descriptions that are cut to their beginning or left out.
        paraphrase: share of the instructions that are opened or closed in other words.
        offer: share of the trajectories whose tools are read with the instruction, not in the
            system message, as an agent with many tools reads them (`agent.offers`).
        search: share of these in which a tool is found by the tool `search_tools` first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rename: _Share = 0.0
    values: _Share = 0.0
    shuffle: Annotated[bool, Field(strict=True)] = False
    company: tuple[_Size, _Size] | None = None
    together: _Size = 1
    shorten: _Share = 0.0
    paraphrase: _Share = 0.0
    offer: _Share = 0.0
    search: _Share = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> "Vary":
        if self.company and self.company[0] > self.company[1]:
            low, high = self.company
            raise ValueError(f"company is [smallest, largest], not [{low}, {high}]")
        return self
