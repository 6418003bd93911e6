"""The options that bound an episode and say how its tokens are sampled."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from umi_lite.protocol.errors import UserError

if TYPE_CHECKING:
    from umi_lite.runtime.bounds import Bounds, Sampling


@dataclass(frozen=True)
class Limits:
    """The bounds of an episode. What is not given is the bundle's, or the evaluation's own."""

    max_calls: Annotated[
        int | None, typer.Option(help="tool calls per episode; default the bundle's bounds")
    ] = None
    max_thought_chars: Annotated[
        int | None, typer.Option(help="characters of a planner's thought")
    ] = None
    max_thought_tokens: Annotated[int | None, typer.Option(help="tokens of a planner's turn")] = (
        None
    )
    max_call_tokens: Annotated[int | None, typer.Option(help="tokens of a caller's turn")] = None
    max_answer_tokens: Annotated[int | None, typer.Option(help="tokens of an answer")] = None
    max_observation_chars: Annotated[
        int | None, typer.Option(help="characters of a tool's result, cut from its middle")
    ] = None
    max_seconds: Annotated[float | None, typer.Option(help="seconds per episode")] = None
    repeats: Annotated[
        int | None,
        typer.Option(help="equal calls with equal results in a row that end it; 1 never"),
    ] = None

    def bounds(self, bundle: "Bounds", own: "Bounds | None" = None) -> "Bounds":
        """The bounds to run with.

        Args:
            bundle: the bundle's.
            own: an evaluation's, default the defaults.

        Raises:
            UserError: a value that cannot be.
        """
        from umi_lite.runtime.bounds import Bounds, settled

        given = {name: value for name, value in asdict(self).items() if value is not None}
        return settled(own or Bounds(), bundle, given)


@dataclass(frozen=True)
class Taken:
    """How tokens are sampled. What is not given is the bundle's."""

    temperature: Annotated[
        float | None, typer.Option(help="sampling temperature, 0 is greedy; default the bundle's")
    ] = None
    sampling_seed: Annotated[
        int | None, typer.Option(help="seed of the sampling; default the bundle's")
    ] = None

    def sampling(self, bundle: "Sampling") -> "Sampling":
        """The sampling to run with.

        Args:
            bundle: the bundle's.

        Raises:
            UserError: a value that cannot be, or a seed that would change nothing.
        """
        from umi_lite.runtime.bounds import Sampling, settled

        given = {"temperature": self.temperature, "seed": self.sampling_seed}
        given = {name: value for name, value in given.items() if value is not None}
        made = settled(Sampling(), bundle, given)
        if self.sampling_seed is not None and made.temperature == 0:
            raise UserError(
                f"--sampling-seed {self.sampling_seed} changes nothing at temperature 0: "
                "give --temperature too"
            )
        return made
