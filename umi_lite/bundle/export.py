"""Export of a finished run as a bundle, checked against what the run was trained on."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from umi_lite.agent.bounds import Bounds
from umi_lite.bundle.about import about, portable
from umi_lite.bundle.bundle import Bundle, write_bundle
from umi_lite.bundle.card import CARD, card_text, own_card
from umi_lite.bundle.scores import read_scores, scores_of_run
from umi_lite.bundle.spec import BundleSpec
from umi_lite.bundle.standalone import write_models
from umi_lite.engine.draft import PHRASES
from umi_lite.engine.gguf import read_header
from umi_lite.engine.language import Language as EngineLanguage
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError, first_error
from umi_lite.files import cache_folder, scratch, writing
from umi_lite.protocol.template import Message, Part
from umi_lite.protocol.trajectory import Acts, View
from umi_lite.recipe.library import template_text
from umi_lite.recipe.load import check, read_yaml
from umi_lite.recipe.schema import Recipe
from umi_lite.train.tokenizer import Language, load_language
from umi_lite.weights.base_record import FILE, check_right_base, read_record, record_of
from umi_lite.weights.embedded import EMBEDDED_HF_ID, embedded_gguf
from umi_lite.weights.gguf_to_hf import (
    GgufType,
    hf_folder,
    local_folder,
)
from umi_lite.weights.hf_to_gguf import convert_loras
from umi_lite.weights.quantize import requantize


def export_run(
    run_dir: str | Path,
    out: str | Path | None = None,
    *,
    quantize: GgufType | None = None,
    merge: bool = False,
    base: Path | None = None,
    scores: Sequence[Path] = (),
    note: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Export a finished run as a bundle, each adapter proven to change logits.

    Args:
        run_dir: `recipe.yaml`, `versions.json`, `bounds.json` and `<job>/adapter` of all the
            jobs, their phrases next to the adapters' weights.
        out: default `run_dir/bundle`.
        quantize: requantize the base GGUF to this type; default is the recipe's
            `weights.quantize` if `base` is None.
        merge: also write each role as a model of its own to `<out>-merged/<role>.gguf`, for
            programs that cannot load adapters (of type `quantize`, else F16), with an Ollama
            Modelfile. Of adapters that act on own turns, only the one under them.
        base: the base GGUF; default is the recipe's `base.gguf`.
        scores: files of `umi eval … --json` for the model card, next to those in `run_dir`.
        note: called with lines that are worth reading.

    Raises:
        UserError: the run is not finished, names no base, was trained on another model or chat
            template than the base has, a file was refused, or scores are of other weights.
    """
    run_dir = Path(run_dir)
    recipe = _recipe(run_dir)
    out = Path(out) if out else run_dir / "bundle"
    jobs = recipe.stages.speakers()
    acts: dict[View, Acts] = {view: recipe.stages.acts(view) for view in jobs}
    folders: dict[View, Path] = {view: run_dir / job / "adapter" for view, job in jobs.items()}
    for view, folder in folders.items():
        if not folder.is_dir():
            raise UserError(
                f"{run_dir} is not finished: job {jobs[view]} has no adapter; "
                "umi train --resume continues it"
            )
    learned: dict[View, Path] = {
        view: path for view, folder in folders.items() if (path := folder / PHRASES).is_file()
    }
    source = base or _base_gguf(recipe)
    wanted = quantize or (recipe.export.quantize if base is None else None)
    hf = base_folder(recipe, next(iter(folders.values())))
    odd = check_reading(recipe, hf, source)
    if odd:
        shown = ", ".join(map(repr, odd[:5])) + (", ..." if len(odd) > 5 else "")
        note(
            f"{source.name} reads {len(odd)} of the tested texts as other tokens than "
            f"training did: {shown}; the roles never saw these in a user's or a tool's text"
        )
    _check_base(run_dir, source, hf if merge else None, note)
    other = window_note(hf, source)
    if other:
        note(other)
    hf_id = recipe.base.model or (EMBEDDED_HF_ID if recipe.base.gguf == "embedded" else None)
    what = about(recipe, hf_id, read_header(source, "base"))
    written = own_card(out)
    if written is not None:
        note(f"{out / CARD} was written by you: it is kept (move it away for an exported one)")

    def card(spec: BundleSpec) -> str:
        rows = [*read_scores(scores, spec), *scores_of_run(run_dir, spec)]
        return written or card_text(what, spec, list(dict.fromkeys(rows)))

    with writing(out), scratch(out) as work:
        cards: dict[View, dict[str, Any]] = {v: what.adapter_fields(v) for v in folders}
        converted = convert_loras(folders, hf, work / "lora", cards=cards)
        deployed = source
        if wanted:
            deployed = work / f"{source.stem}.{wanted}.gguf"
            requantize(source, deployed, wanted)
        bundle = write_bundle(
            out,
            base_gguf=deployed,
            adapters=converted,
            acts=acts,
            phrases=learned,
            recipe=portable(recipe),
            hf_id=what.base or (Path(hf_id).name if hf_id else None),
            tools=_toolset(recipe),
            bounds=_bounds(run_dir),
            versions=_versions(run_dir),
            template=template_text(recipe.base.template) if recipe.base.template else None,
            without_base=recipe.export.base == "package",
            card=card,
        )
    if merge:
        merged_out = out.with_name(f"{out.name}-merged")
        models = folders, wanted or "F16", note
        write_models(merged_out, bundle.spec, recipe, what, hf, *models)
    return bundle


def _recipe(run_dir: Path) -> Recipe:
    path = run_dir / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{run_dir} holds no run: it has no recipe.yaml")
    return check(Recipe, read_yaml(path), str(path))


def _base_gguf(recipe: Recipe) -> Path:
    name = recipe.base.gguf
    if name is None:
        raise UserError(
            f"recipe {recipe.name} names no base.gguf: say which one is deployed (--base FILE)"
        )
    return embedded_gguf() if name == "embedded" else Path(name).expanduser()


def _check_base(
    run_dir: Path, source: Path, merged: Path | None, note: Callable[[str], None]
) -> None:
    """Check the base GGUF, and the folder to merge into, against the run's record of its base."""
    record = read_record(run_dir)
    if record is None:
        note(
            f"{run_dir} has no {FILE} (it is of an older version, or its base's weights could not "
            f"be read): that it was trained on {source.name} is not checked"
        )
        return
    check_right_base(record, source)
    if merged and record_of(merged) != record:
        raise UserError(
            f"base {merged} has other weights than when {run_dir} was trained: merging needs those"
        )


def _toolset(recipe: Recipe) -> str | None:
    """Return the recipe's tools, or the source that it was trained on, if there is just one."""
    if recipe.export.tools:
        return recipe.export.tools
    sources = {data.source for data in recipe.data}
    return sources.pop() if len(sources) == 1 else None


def _bounds(run_dir: Path) -> Bounds:
    """Return the bounds that the run was trained within; the defaults if it wrote none."""
    path = run_dir / "bounds.json"
    if not path.is_file():
        return Bounds()
    try:
        return TypeAdapter(Bounds).validate_json(path.read_bytes())
    except ValidationError as err:
        raise UserError(f"{path}: {first_error(err, 'the file')}") from None


def _versions(run_dir: Path) -> dict[str, str]:
    path = run_dir / "versions.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


# Architectures whose window llama.cpp reads but does not use (its src/models/phi3.cpp).
_WINDOW_IGNORED = ("phi3",)
# Ordinary texts on which pre-tokenizers differ: other tokens mean another model.
_TEXTS = (
    "Plan 3 of 12: call it, don't guess.\nNext: caller",
    'find_2 {"from": "2024-07-26", "n": -1.5e3, "tags": ["a b", "\\n"]}',
    "  two  spaces\n\n\n\tand a tab\r\n",
    "def f(x):\n    return x ** 2  # ok\n",
)
# llama.cpp's pre-tokenizers do not know every script (gpt-oss: Devanagari).
_SCRIPTS = (
    "Größe, naïve, 12,5 € – « ça va »", "Привет, мир", "Αθήνα", "東京で3回", "한국어", "مرحبا",
    "שלום", "हिन्दी", "ภาษาไทย", "🚀👩\u200d👧",
)  # fmt: skip


def base_folder(recipe: Recipe, adapter: Path) -> Path:
    """Return the local folder of the weights that the run was trained on; nothing is downloaded.

    Raises:
        UserError: they are not on this machine.
    """
    if recipe.base.model is None:
        gguf = recipe.base.gguf or "embedded"
        path = embedded_gguf() if gguf == "embedded" else Path(gguf).expanduser()
        return hf_folder(path, cache_folder())
    config = adapter / "adapter_config.json"
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    # Unsloth may have trained on a quantised copy under another id: the config is the same.
    for name in (recipe.base.model, settings.get("base_model_name_or_path")):
        folder = local_folder(name) if name else None
        if folder:
            return folder
    raise UserError(
        f"base.model {recipe.base.model} is not on this machine: export where it was trained, "
        f"or download it first (hf download {recipe.base.model})"
    )


def check_reading(recipe: Recipe, folder: Path, base_gguf: Path) -> list[str]:
    """Check that the base GGUF formats and tokenizes a conversation as training did.

    Else the roles would read prompts that they never saw, without any error. A recipe's own
    template is part of the bundle.

    Returns:
        Texts that the GGUF reads differently: in other scripts than Latin, and look-alikes of
        special tokens (`<|fim_prefix|>` in a user's text).

    Raises:
        UserError: chat template, end of turn or vocabulary differ, or the GGUF has no template.
    """
    if not isinstance(read_header(base_gguf, "base").get("tokenizer.chat_template"), str):
        raise UserError(f"base {base_gguf} has no chat template: take one of an instruct model")
    own = template_text(recipe.base.template) if recipe.base.template else None
    trained = load_language(folder, template=own)
    with closing(Model.vocabulary(base_gguf)) as model:
        deployed = EngineLanguage(model, own)
        for text in _TEXTS:
            _compare(text, trained, deployed, base_gguf)
        return [
            text
            for text in (*_SCRIPTS, *trained.tokenizer.added())
            if trained.tokenizer.encode(text, special=False) != model.encode(text, special=False)
        ]


def _compare(text: str, trained: Language, deployed: EngineLanguage, base_gguf: Path) -> None:
    messages = [
        Message("system", (Part(text, False),)),
        Message("user", (Part(text, False),)),
        Message("assistant", (Part(text, True),)),
        Message("user", (Part(text, False),)),
    ]
    pieces, others = (side.template.pieces(messages) for side in (trained, deployed))
    if "".join(piece.text for piece in pieces) != "".join(piece.text for piece in others):
        raise UserError(
            f"base {base_gguf} has another chat template than the run was trained with: take "
            "the GGUF of the same model, or train with base.template, which the bundle carries"
        )
    ends = trained.template.end_of_turn, deployed.template.end_of_turn
    if ends[0] != ends[1]:
        raise UserError(
            f"base {base_gguf} ends a turn with {ends[1]!r}, the run was trained with {ends[0]!r}: "
            "take the GGUF of the same model"
        )
    for piece in pieces:
        ids = trained.tokenizer.encode(piece.text, special=piece.special)
        if ids != deployed.encode(piece.text, special=piece.special):
            raise UserError(
                f"base {base_gguf} has another vocabulary than the run was trained with (it reads "
                f"{piece.text!r} as other tokens): take the GGUF of the same model"
            )


def window_note(folder: Path, base_gguf: Path) -> str | None:
    """Return a note if llama.cpp runs a model without the sliding window that it has.

    Args:
        folder: the HF folder of the trained base.

    Returns:
        One line, or None without a window or if llama.cpp has it too.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config") or config
    window = config.get("sliding_window")
    kinds = config.get("layer_types")
    slides = "sliding_attention" in kinds if kinds else config.get("use_sliding_window", True)
    if not window or not slides:
        return None
    header = read_header(base_gguf, "base")
    arch = header.get("general.architecture")
    if header.get(f"{arch}.attention.sliding_window") and arch not in _WINDOW_IGNORED:
        return None
    return (
        f"llama.cpp runs {base_gguf.name} ({arch}) without the sliding window of {window} tokens "
        f"that it was trained with: keep n_ctx at {window} or below"
    )
