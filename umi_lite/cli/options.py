"""Options that several commands have: paths, overrides, limits, sampling, where roles run."""

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from umi_lite.errors import UserError
from umi_lite.files import DEFAULT_BUNDLE as DEFAULT_BUNDLE

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.endpoint import HybridEngine
    from umi_lite.engine.engine import Engine
    from umi_lite.engine.placement import Overrides
    from umi_lite.protocol.trajectory import View
    from umi_lite.tools.mcp.servers import McpServers

_Path = TypeVar("_Path", str, str | None)


def with_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with `~` expanded in each path: a shell leaves it in `--out=~/x`."""

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        return command(**{name: _expanded(value) for name, value in given.items()})

    return run


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return Path(home(str(value))) if isinstance(value, Path) else value


def home(path: _Path) -> _Path:
    """Return a path as text with its `~` expanded; None stays None.

    Raises:
        UserError: the home folder does not exist.
    """
    if path is None or not path.startswith("~"):
        return path
    expanded = os.path.expanduser(path)
    if expanded == path:
        raise UserError(f"{path}: no home folder of that name")
    return expanded


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options of its groups after its own.

    A group is a parameter whose type is a dataclass: each of its fields is an option.
    """
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters
    groups: dict[str, Any] = {name: hints[name] for name in given if is_dataclass(hints[name])}
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in given.items()
        if name not in groups
    ]
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for group in groups.values()
        for field in fields(group)
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    parameters = own + options
    # What typer reads: the signature, and the hints of the function it is given.
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    del run.__wrapped__
    return run


@dataclass(frozen=True)
class Limits:
    """Options for the bounds of an episode; default the bundle's, or the evaluation's own."""

    max_calls: Annotated[int | None, typer.Option(help="maximum tool calls per episode")] = None
    max_thought_chars: Annotated[
        int | None, typer.Option(help="maximum characters of a planner's thought")
    ] = None
    max_thought_tokens: Annotated[
        int | None, typer.Option(help="maximum tokens of a planner's turn")
    ] = None
    max_call_tokens: Annotated[
        int | None, typer.Option(help="maximum tokens of a caller's turn")
    ] = None
    max_answer_tokens: Annotated[int | None, typer.Option(help="maximum tokens per answer")] = None
    max_observation_chars: Annotated[
        int | None,
        typer.Option(help="maximum characters of a tool's result; the middle is cut out"),
    ] = None
    max_seconds: Annotated[float | None, typer.Option(help="maximum seconds per episode")] = None
    max_corrections: Annotated[
        int | None, typer.Option(help="maximum times that a thought is corrected; 0 for never")
    ] = None
    repeats: Annotated[
        int | None,
        typer.Option(help="equal calls and results in a row that end an episode; 1 for never"),
    ] = None
    max_tools: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="maximum tools to show with a request; of more, those that fit it best, the "
            "others by a search; default as many as the context has room for",
        ),
    ] = None

    def bounds(self, bundle: "Bounds", own: "Bounds | None" = None) -> "Bounds":
        """Return the bounds to run with.

        Args:
            bundle: the bundle's.
            own: the evaluation's, if one runs.

        Raises:
            UserError: an impossible value.
        """
        from umi_lite.agent.bounds import Bounds, settled

        given = {name: value for name, value in asdict(self).items() if value is not None}
        return settled(own or Bounds(), bundle, given)


@dataclass(frozen=True)
class SamplingOptions:
    """Options for how tokens are sampled; default the bundle's."""

    temperature: Annotated[
        float | None, typer.Option(help="sampling temperature; 0 is greedy; default the bundle's")
    ] = None
    sampling_seed: Annotated[int | None, typer.Option(help="seed; default the bundle's")] = None
    votes: Annotated[
        int | None, typer.Option(min=1, help="samples per plan and call; the most frequent counts")
    ] = None
    copy_bias: Annotated[
        float | None, typer.Option(help="nats by which values prefer the request's words; 0: none")
    ] = None

    def sampling(self, bundle: "Sampling") -> "Sampling":
        """Return the sampling to run with.

        Args:
            bundle: the bundle's.

        Raises:
            UserError: an impossible value, or a seed that would change nothing.
        """
        from umi_lite.agent.bounds import Sampling, settled

        given = asdict(self)
        given["seed"] = given.pop("sampling_seed")
        given = {name: value for name, value in given.items() if value is not None}
        made = settled(Sampling(), bundle, given)
        if self.sampling_seed is not None and made.temperature == 0 and made.votes == 1:
            raise UserError(
                f"--sampling-seed {self.sampling_seed} changes nothing at temperature 0: "
                "give --temperature or --votes too"
            )
        return made


@dataclass(frozen=True)
class McpOptions:
    """Options for tools of MCP servers."""

    mcp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVER",
            help="MCP server whose tools to offer (repeatable): a command, a URL, or a .json file "
            "with mcpServers",
        ),
    ] = None
    mcp_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="maximum seconds for an MCP server to start, and per call; default 30 and 60",
        ),
    ] = None
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="question before each MCP tool that is not marked read-only; default only before "
            "those marked destructive",
        ),
    ] = False
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL", help="MCP tool to call without a question (repeatable)"),
    ] = None

    def servers(self) -> "McpServers | None":
        """Return the servers with their deadlines and who is asked; None without `--mcp`.

        Raises:
            UserError: what names no server; see `mcp.config.servers_of`.
        """
        if not self.mcp:
            return None
        from umi_lite.tools.mcp.connection import Deadlines
        from umi_lite.tools.mcp.consent import Consent, terminal
        from umi_lite.tools.mcp.servers import mcp_servers

        seconds = self.mcp_timeout
        return mcp_servers(
            self.mcp,
            consent=Consent(self.ask, frozenset(self.allow or ()), terminal()),
            deadlines=Deadlines(seconds, seconds) if seconds else Deadlines(),
        )


_T = TypeVar("_T")
RecipeOverrides = Annotated[
    list[str],
    typer.Option("-o", "--override", help="recipe setting, e.g. lora.r=8; repeatable"),
]
BundleOption = Annotated[
    Path,
    typer.Option(
        "--bundle", "-b", help="folder of a bundle, or of a run with one", show_default="in the box"
    ),
]
ToolsOption = Annotated[
    str | None,
    typer.Option(help="tool set by name, or a .py file with functions; default the bundle's"),
]
TraceFile = Annotated[
    Path | None, typer.Option(help="output file of the trace as JSON, next to the trace store")
]
JsonResult = Annotated[
    bool, typer.Option("--json", help="result as one JSON object on stdout, turns on stderr")
]


@dataclass(frozen=True)
class Roles:
    """Options for which adapters play the roles, and where they run."""

    single: Annotated[bool, typer.Option(help="use the global adapter alone, for all roles")] = (
        False
    )
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="role to run elsewhere, as ROLE=WHERE (repeatable): a bundle, a GGUF, or "
            "http://HOST:PORT/v1#MODEL"
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(help="form of the weights: adapters or merged; default by free memory"),
    ] = None
    n_ctx: Annotated[
        int | None, typer.Option(help="context length in tokens; default by free memory")
    ] = None
    kv: Annotated[
        str | None,
        typer.Option(help="type of the KV cache: f16, q8_0 or f32; default by free memory"),
    ] = None
    gpu_layers: Annotated[
        int | None, typer.Option(help="layers on the GPU; -1 for all; default by free memory")
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(help="compute threads; default the cores that other programs leave free"),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="maximum seconds without a byte from an endpoint; default 120"),
    ] = None

    @property
    def views(self) -> "tuple[View, ...]":
        """Return the views that will run."""
        from umi_lite.protocol.trajectory import ROLES

        return ("backbone",) if self.single else ROLES

    @property
    def elsewhere(self) -> list[str]:
        """Return the roles that do not run from the bundle."""
        return self.role or []

    def overrides(self, slots: int) -> "Overrides":
        """Return what the options say about the placement.

        Args:
            slots: concurrent episodes.
        """
        from umi_lite.engine.placement import FORMS, KV_TYPES, Overrides

        return Overrides(
            # "folded" is the former name of "merged".
            weights=_one_of(
                "--weights", "merged" if self.weights == "folded" else self.weights, FORMS
            ),
            n_ctx=self.n_ctx,
            kv=_one_of("--kv", self.kv, KV_TYPES),
            n_gpu_layers=self.gpu_layers,
            threads=self.threads,
            slots=slots,
        )

    def open(self, bundle: "Bundle", slots: int, console: "Console") -> "Engine | HybridEngine":
        """Open the bundle's roles, and print their placement on the console."""
        from umi_lite.bundle.open import open_roles
        from umi_lite.console import dim

        return open_roles(
            bundle,
            views=self.views,
            elsewhere=self.elsewhere,
            overrides=self.overrides(slots),
            timeout=self.timeout,
            note=dim(console),
        )


def _one_of(option: str, given: str | None, choices: tuple[_T, ...]) -> _T | None:
    if given is not None and given not in choices:
        raise UserError(f"{option} {given}: there are {', '.join(map(str, choices))}")
    return next((choice for choice in choices if choice == given), None)
