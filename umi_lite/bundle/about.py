"""What a bundle is, for its model card and for the metadata of its GGUFs: base, licence, data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.protocol.trajectory import View
from umi_lite.recipe.schema import Data, Recipe
from umi_lite.weights.gguf_to_hf import GgufType

TOOL = "umi_lite"
TAGS = ("umi-lite", "gguf", "llama.cpp", "agent", "tool-use", "function-calling")
PIPELINE = "text-generation"
# Sources whose language only their owner knows.
_OWN = {"traces", "openai"}
# The hub's data set of a source that is read from a file.
_HUB = {"gsm8k": "openai/gsm8k"}

SPEAKS: dict[View, str] = {
    "backbone": "plays all the roles",
    "planner": "thinks about the state and says who is next: caller, summarizer or give_up",
    "caller": "writes one tool call from the planner's thought",
    "summarizer": "writes the final answer from the whole execution",
}


@dataclass(frozen=True)
class License:
    """A licence as the hub names it; `other` has a name and a link of its own."""

    id: str
    name: str | None = None
    link: str | None = None

    def fields(self) -> dict[str, str]:
        """Return the fields of a model card's front matter."""
        more = {"license_name": self.name, "license_link": self.link}
        return {"license": self.id} | {key: value for key, value in more.items() if value}


_APACHE = License("apache-2.0")
# As the hub has them (2026-11). A GGUF's own metadata come first.
_KNOWN = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": _APACHE,
    "HuggingFaceTB/SmolLM2-360M-Instruct": _APACHE,
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": _APACHE,
    "Qwen/Qwen2.5-0.5B-Instruct": _APACHE,
    "Qwen/Qwen2.5-1.5B-Instruct": _APACHE,
    "Qwen/Qwen2.5-3B-Instruct": License(
        "other", "qwen-research", "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE"
    ),
    "Qwen/Qwen2.5-7B-Instruct": _APACHE,
    "Qwen/Qwen3-0.6B": _APACHE,
    "Qwen/Qwen3-1.7B": _APACHE,
    "Qwen/Qwen3-4B": _APACHE,
    "Qwen/Qwen3-8B": _APACHE,
    "meta-llama/Llama-3.1-8B-Instruct": License("llama3.1"),
    "meta-llama/Llama-3.2-1B-Instruct": License("llama3.2"),
    "meta-llama/Llama-3.2-3B-Instruct": License("llama3.2"),
}  # fmt: skip


@dataclass(frozen=True)
class About:
    """What a bundle is.

    Attributes:
        name: the recipe's.
        base: the base's hub id; None for a model that has none.
        base_name: its name without an owner.
        license: of the base; None if unknown.
        languages: of the training data; empty if unknown.
        datasets: hub ids.
        generated: names of the sources that umi_lite generates or reads from a file.
    """

    name: str
    base: str | None
    base_name: str
    license: License | None
    languages: tuple[str, ...]
    datasets: tuple[str, ...]
    generated: tuple[str, ...]

    def front_matter(self) -> dict[str, Any]:
        """Return the fields of the bundle's model card, as the hub names them."""
        made: dict[str, Any] = {}
        if self.base:
            made |= {"base_model": self.base, "base_model_relation": "adapter"}
        if self.license:
            made |= self.license.fields()
        if self.languages:
            made["language"] = list(self.languages)
        if self.datasets:
            made["datasets"] = list(self.datasets)
        return made | {"pipeline_tag": PIPELINE, "tags": [*TAGS, "lora"]}

    def adapter_fields(self, view: View) -> dict[str, Any]:
        """Return the fields from which llama.cpp's converter makes `general.*` of an adapter."""
        fields = self._gguf_fields(view)
        return fields | {"tags": [*fields["tags"], "lora"]}

    def model_fields(self, view: View, type: GgufType) -> dict[str, Any]:
        """Return the fields of a role's merged model of this type."""
        return self._gguf_fields(view) | ({} if type == "F16" else {"quantized_by": TOOL})

    def _gguf_fields(self, view: View) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": f"{self.name} {view}",
            "basename": self.base_name,
            "finetune": f"{self.name}-{view}",
            "description": f"The {view} of an agent of planner, caller and summarizer "
            f"({TOOL}): {SPEAKS[view]}.",
            "tags": [*TAGS, view, PIPELINE],
        }
        base = {"name": self.base_name}
        if self.base:
            owner = self.base.split("/")[0]
            base |= {"organization": owner, "repo_url": f"https://huggingface.co/{self.base}"}
        made["base_model"] = [base]
        if self.license:
            made |= self.license.fields()
        if self.languages:
            made["language"] = list(self.languages)
        sets = [_dataset(hub) for hub in self.datasets] + [{"name": n} for n in self.generated]
        made["datasets"] = sets
        return made


def portable(recipe: Recipe) -> Recipe:
    """Return a recipe without places of this machine: a path outside becomes its file's name."""
    return Recipe.model_validate(_shortened(recipe.model_dump(mode="json", by_alias=True)))


def _shortened(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _shortened(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_shortened(value) for value in tree]
    if isinstance(tree, str) and (tree.startswith(("/", "~")) or ".." in Path(tree).parts):
        return Path(tree).name
    return tree


def about(recipe: Recipe, hf_id: str | None, base: Mapping[str, Any]) -> About:
    """Return what a recipe's bundle is.

    Args:
        hf_id: hub id or folder name of the weights that were trained on.
        base: the base GGUF's metadata (`engine.gguf.read_header`).
    """
    hub = hf_id if hf_id is not None and _is_hub_id(hf_id) else None
    name = Path(hf_id).name if hf_id else base.get("general.name") or recipe.name
    own = any(data.source in _OWN for data in recipe.data)
    ids = dict.fromkeys(filter(None, map(_hub_of, recipe.data)))
    others = dict.fromkeys(data.source for data in recipe.data if _hub_of(data) is None)
    return About(
        name=recipe.name,
        base=hub,
        base_name=str(name),
        license=_license(hub, base),
        languages=() if own else ("en",),
        datasets=tuple(ids),
        generated=tuple(others),
    )


def _license(hub: str | None, base: Mapping[str, Any]) -> License | None:
    """Return the base's licence: what its GGUF says, else what is known of its hub id."""
    named = base.get("general.license")
    if isinstance(named, str) and named:
        return License(named, base.get("general.license.name"), base.get("general.license.link"))
    return _KNOWN.get(hub or "")


def _is_hub_id(name: str) -> bool:
    """True for `owner/name`; a path of this machine is none."""
    return name.count("/") == 1 and not name.startswith((".", "~", "/")) and not Path(name).exists()


def _hub_of(data: Data) -> str | None:
    """Return the hub id of a source's data set, if it has one."""
    if data.hub is not None:
        return data.hub if _is_hub_id(data.hub) else None
    return _HUB.get(data.source)


def _dataset(hub: str) -> dict[str, str]:
    owner, _, name = hub.partition("/")
    repo = f"https://huggingface.co/datasets/{hub}"
    return {"name": name, "organization": owner, "repo_url": repo}
