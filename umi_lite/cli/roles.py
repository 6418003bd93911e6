"""The options that say where a bundle's roles run, once for all commands that run one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from umi_lite.protocol.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.export.bundle import Bundle
    from umi_lite.protocol.roles import View
    from umi_lite.runtime.engine import Engine
    from umi_lite.runtime.fit import Wishes
    from umi_lite.runtime.remote import Mixed

_T = TypeVar("_T")
BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", help="a bundle folder, or a run that holds one")
]
DEFAULT_BUNDLE = Path("runs/quickstart/bundle")


@dataclass(frozen=True)
class Roles:
    """Who speaks, and where. Each field is an option."""

    single: Annotated[bool, typer.Option(help="the global adapter alone plays all roles")] = False
    role: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=WHERE: another bundle, a GGUF, or http://HOST:PORT/v1#MODEL"),
    ] = None
    weights: Annotated[
        str | None, typer.Option(help="adapters or folded; default by the memory that is free")
    ] = None
    n_ctx: Annotated[
        int | None, typer.Option(help="tokens of one transcript; default by memory")
    ] = None
    kv: Annotated[
        str | None, typer.Option(help="keys and values in f16 or q8_0; default by memory")
    ] = None
    gpu_layers: Annotated[
        int | None, typer.Option(help="layers on the GPU, -1 all; default by memory")
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(help="threads to compute on; default the cores that other programs leave"),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="seconds without a byte from an endpoint; default 120"),
    ] = None

    @property
    def views(self) -> "tuple[View, ...]":
        """The views that will speak."""
        from umi_lite.protocol.roles import ROLES

        return ("backbone",) if self.single else ROLES

    @property
    def elsewhere(self) -> list[str]:
        """The roles that do not run from the bundle."""
        return self.role or []

    def wishes(self, slots: int) -> "Wishes":
        """What the options say about the fit.

        Args:
            slots: episodes at once.
        """
        from umi_lite.runtime.fit import FORMS, KV_TYPES, Wishes

        return Wishes(
            weights=_one_of("--weights", self.weights, FORMS),
            n_ctx=self.n_ctx,
            kv=_one_of("--kv", self.kv, KV_TYPES),
            n_gpu_layers=self.gpu_layers,
            threads=self.threads,
            slots=slots,
        )

    def open(self, bundle: "Bundle", slots: int, console: "Console") -> "Engine | Mixed":
        """The bundle's roles, opened; the fit is printed on the console."""
        from umi_lite.local import dim
        from umi_lite.roles import open_roles

        return open_roles(
            bundle,
            views=self.views,
            elsewhere=self.elsewhere,
            wishes=self.wishes(slots),
            timeout=self.timeout,
            tell=dim(console),
        )


def _one_of(option: str, given: str | None, choices: tuple[_T, ...]) -> _T | None:
    if given is not None and given not in choices:
        raise UserError(f"{option} {given}: there are {', '.join(map(str, choices))}")
    return next((choice for choice in choices if choice == given), None)
