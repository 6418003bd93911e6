"""The stages of a recipe: GLPFT's global and local fine-tuning, or one of its variants."""

import os.path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from umi_lite.protocol.trajectory import ROLES, Acts, Role, View


def _no_switch(value: Any) -> Any:
    # Python counts True as 1, and YAML reads `yes` and `on` as true.
    if isinstance(value, bool):
        raise ValueError(f"a number is expected, not {'yes' if value else 'no'}")
    return value


_Number = BeforeValidator(_no_switch)
Int = Annotated[int, _Number]
Count = Annotated[Int, Field(ge=1)]
Ratio = Annotated[float, _Number, Field(ge=0, lt=1)]
Rate = Annotated[float, _Number, Field(gt=0)]
# All epochs' batches are laid out before the first step.
Epochs = Annotated[float, _Number, Field(gt=0, le=10_000)]
Decay = Annotated[float, _Number, Field(ge=0)]
# A path, or a name where one may be given in its place; `~` is the user's home folder.
Place = Annotated[str, AfterValidator(os.path.expanduser)]
JobName = Literal["global", "planner", "caller", "summarizer"]
JOBS: tuple[JobName, ...] = get_args(JobName)


class Strict(BaseModel):
    """Part of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, allow_inf_nan=False
    )


class Stage(Strict):
    """How a job is trained. The defaults are for LoRA on 7B.

    The paper's full fine-tuning rates (5e-5 global, 1e-5 local) are too low for LoRA.

    Attributes:
        epochs: passes over the data; a fraction trains on a part of it.
        batch: packs (or rows, where packing is none) in an optimizer step.
        max_samples: number of trajectories, from the first; None takes all.
        max_steps: optimizer steps to stop after (the schedule ends there).
        max_trained_tokens: limit of tokens that count in the loss; training stops before it.
    """

    learning_rate: Rate = 2e-4
    epochs: Epochs = 2
    warmup_ratio: Ratio = 0.1
    weight_decay: Decay = 0.0
    batch: Count = 8
    max_samples: Count | None = None
    max_steps: Count | None = None
    max_trained_tokens: Count | None = None


class GlobalStage(Stage):
    """The first adapter. `samples`: whole trajectories with no role distinction, or the union of
    the three roles' samples (the paper's single-LLM multi-task; without a local stage then).

    Attributes:
        start: a bundle, or a run folder with one, whose global adapter is copied; None initializes
            a new adapter. The recipe's `lora` must be the one it was trained with.
        start_share: share of the start's weights in the finished adapter, which is the average of
            both: it keeps more of what the start could do (Wortsman et al., arXiv 2109.01903).
    """

    samples: Literal["trajectories", "roles"] = "trajectories"
    start: Place | None = None
    start_share: Ratio = 0.0

    @model_validator(mode="after")
    def _started(self) -> "GlobalStage":
        if self.start_share and self.start is None:
            raise ValueError("start_share needs start: the bundle whose adapter is averaged with")
        return self


class RoleStage(Strict):
    """Settings of one role's local job that replace those of `stages.local`."""

    learning_rate: Rate | None = None
    epochs: Epochs | None = None
    warmup_ratio: Ratio | None = None
    weight_decay: Decay | None = None
    batch: Count | None = None
    max_samples: Count | None = None
    max_steps: Count | None = None
    max_trained_tokens: Count | None = None


class LocalStage(Stage):
    """The three roles' jobs, after the global one (paper: summarizer 2 epochs).

    Attributes:
        adapters: `continued` trains a copy of the global adapter per role, as the paper does.
            `activated` trains a new adapter per role over the global one, active only in the
            role's own turns, so that all roles share one transcript and its cache.
        last_layers: number of layers that an activated adapter has, from the last; None for those
            of the recipe's `lora`. Layers below compute a role's turns with the global adapter
            alone: training and turns are faster, and the adapter is smaller.
    """

    adapters: Literal["activated", "continued"] = "continued"
    last_layers: Count | None = None
    learning_rate: Rate = 1e-4
    epochs: Epochs = 1
    planner: RoleStage = RoleStage()
    caller: RoleStage = RoleStage()
    summarizer: RoleStage = RoleStage(epochs=2)

    def of(self, role: Role) -> Stage:
        """Return the settings of one role's job."""
        own = {k: v for k, v in getattr(self, role).model_dump().items() if v is not None}
        shared = {k: getattr(self, k) for k in Stage.model_fields}
        return Stage(**{**shared, **own})


def _absent(value: Any) -> Any:
    if value is None:
        # A comment in front of the last key is enough to empty it.
        raise ValueError(
            "it is empty: write its keys, {} for the defaults, or none to leave it out"
        )
    return None if value == "none" else value


class Stages(Strict):
    """GLPFT, or one of the variants that the paper compares it with (recipes/variants).

    Attributes:
        global_: `none` trains the roles straight from the base (multi-LLM one-stage).
        local: `none` stops after the first adapter, which then plays all the roles.
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
        if self.local and self.local.last_layers:
            if self.local.adapters == "continued":
                raise ValueError(
                    "local.last_layers: continued adapters have the global one's layers; it is "
                    "for adapters: activated"
                )
            if self.global_ is None:
                raise ValueError("local.last_layers needs a global stage, which has more layers")
        return self

    @model_serializer(mode="wrap")
    def _named(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        # Where None is left out, reading it again would give the default.
        tree = write(self)
        if self.global_ is None:
            tree["global" if info.by_alias else "global_"] = "none"
        return tree | ({"local": "none"} if self.local is None else {})

    def acts(self, view: View) -> Acts:
        """Return where a view's adapter is active."""
        local = self.local if view != "backbone" else None
        return "own turns" if local and local.adapters == "activated" else "always"

    def speakers(self) -> dict[View, JobName]:
        """Return the job whose adapter a view runs; without `backbone` none plays all roles."""
        found: dict[View, JobName] = {}
        if self.global_ and self.global_.samples == "trajectories":
            found["backbone"] = "global"
        if self.local or not found:
            found |= {role: role if self.local else "global" for role in ROLES}
        return found
