"""Opening a bundle's roles: fitted to this machine, on other weights, or at an endpoint."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.errors import Note, UserError
from umi_lite.protocol.trajectory import ROLES, VIEWS, View

if TYPE_CHECKING:
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.bundle.spec import Place
    from umi_lite.engine.client import Endpoint
    from umi_lite.engine.endpoint import HybridEngine
    from umi_lite.engine.engine import Engine
    from umi_lite.engine.placement import Overrides

_MERGED_BYTES = 16 << 30


def open_roles(
    bundle: "Bundle",
    *,
    views: Iterable[View] = ROLES,
    elsewhere: Sequence[str] = (),
    overrides: "Overrides | None" = None,
    timeout: float | None = None,
    note: Callable[[str], None] | None = None,
) -> "Engine | HybridEngine":
    """Open the roles, fitted to this machine's free memory.

    Merged weights (at most 16 GiB) and evaluated tool docs (1 GiB) are kept in the cache folder;
    the least recently used are removed first. If it cannot be written, nothing is kept, and a
    `Note` says so.

    Args:
        views: the views that will speak.
        elsewhere: `ROLE=WHERE`, a role that does not run from this bundle. WHERE is another
            bundle's folder, a GGUF with the role's own weights, or an endpoint
            `http://HOST:PORT/v1#MODEL` that serves the role's adapter over this bundle's base.
        overrides: settings that are not chosen here.
        timeout: seconds without a byte from an endpoint that end a turn, default 120.
        note: called with the placement, one line, if anything runs here.

    Raises:
        UserError: no such role or weights, a file that does not fit, merged weights that were asked
            for and cannot be kept, or weights on which llama.cpp crashes here: a child process
            tries each type of weights once (`engine.proof`).
    """
    from umi_lite.engine.threads import times

    since = times()
    from umi_lite.bundle.merge import can_merge
    from umi_lite.engine.machine import machine
    from umi_lite.engine.placement import Overrides, place, size_of
    from umi_lite.engine.proof import prove_once
    from umi_lite.files import trim_cache

    views = list(views)
    others, away = _elsewhere(elsewhere, views)
    own: list[View] = [view for view in views if view not in others and view not in away]
    overrides = overrides or Overrides()
    cache = _cache()
    if cache is None and overrides.weights not in (None, "adapters"):
        raise UserError(
            f"--weights {overrides.weights} keeps them in the cache folder, which cannot be written"
        )
    layout = bundle.layout(own)
    adapters = [place.adapter for place in layout.views.values()]
    merges = sum(path is not None for path in adapters)
    mergeable = (
        cache is not None
        and merges > 0
        and can_merge(bundle.base)
        and _disk_holds(cache, bundle.base, merges)
    )
    size = size_of(bundle.base, adapters, list(layout.roles.values()), mergeable=mergeable)
    taken = {place.model: place.model.stat().st_size for place in others.values()}
    now = machine(since)
    chosen = place(size, replace(now, ram=now.ram - sum(taken.values())), overrides)
    if chosen.n_gpu_layers != -1:
        here = {bundle.base} if own else set[Path]()
        for gguf in sorted(here | taken.keys()):
            prove_once(gguf, cache / "proofs" if cache else None)
    if note is not None and (own or others):
        note(str(chosen))
    engine = bundle.engine(
        views=own,
        others=others,
        merge_into=cache / "merged" if cache and chosen.weights != "adapters" else None,
        prefixes_in=cache and cache / "prefixes",
        n_ctx=chosen.n_ctx,
        slots=chosen.slots,
        kv=chosen.kv,
        threads=overrides.threads,
        n_gpu_layers=chosen.n_gpu_layers,
    )
    if cache is not None:
        trim_cache(cache / "merged", "*.gguf", _MERGED_BYTES)
    if not away:
        return engine
    from umi_lite.engine.client import TIMEOUT
    from umi_lite.engine.endpoint import HybridEngine

    try:
        return HybridEngine(engine, away, bundle.spec.template, timeout or TIMEOUT)
    except BaseException:
        engine.close()
        raise


def _cache() -> Path | None:
    """Return the cache folder, None if it cannot be written."""
    from umi_lite.files import cache_folder

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except UserError as err:
        reason = str(err)
    except OSError as err:
        reason = f"the cache folder {err.filename} cannot be written ({err.strerror})"
    slower = "running without it, more slowly; set UMI_LITE_CACHE to another"
    warnings.warn(f"{reason}: {slower}", Note, stacklevel=3)
    return None


def _disk_holds(folder: Path, base: Path, copies: int) -> bool:
    """True if there is room for that many copies of the base, and as much again."""
    return shutil.disk_usage(folder).free > 2 * copies * base.stat().st_size


def _elsewhere(
    given: Sequence[str], views: Sequence[View]
) -> "tuple[dict[View, Place], dict[View, Endpoint]]":
    from umi_lite.engine.client import Endpoint

    others: dict[View, Place] = {}
    away: dict[View, Endpoint] = {}
    for text in given:
        name, equals, where = text.partition("=")
        view: View | None = next((view for view in VIEWS if view == name), None)
        if not equals or view is None:
            raise UserError(
                f"{text!r}: a role elsewhere is ROLE=WHERE, where ROLE is one of {', '.join(VIEWS)}"
            )
        if view not in views:
            raise UserError(f"{text!r}: {view} does not take part here; {', '.join(views)} do")
        if where.startswith(("http://", "https://")):
            away[view] = Endpoint.parse(where)
        else:
            others[view] = _place(view, Path(where).expanduser())
    return others, away


def _place(view: View, path: Path) -> "Place":
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.bundle.spec import Place
    from umi_lite.files import known_sha256

    if path.is_dir():
        return load_bundle(path).place(view)
    if not path.is_file():
        raise UserError(f"{view}: {path} is neither a bundle, nor a GGUF, nor an http:// address")
    return Place(path, None, known_sha256(path))
