"""A bundle whose roles say what a script says, for what the commands do with it."""

from pathlib import Path
from typing import Any

from scripted import Scripted

from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.spec import BundleSpec


class Opened(Scripted):
    """A scripted engine that is opened and closed as an engine is."""

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def scripted_bundle(folder: Path, monkeypatch, *turns: Any, **spec: Any) -> Opened:
    """The engine of a bundle at `folder`, which every command will open.

    Args:
        spec: of its `bundle.json`, what differs from a plain one.
    """
    base = {"file": "base.gguf", "size": 1, "sha256": "0" * 64}
    views = {view: {**base, "file": f"{view}.gguf"} for view in ("planner", "caller", "summarizer")}
    plain = {"base": base, "views": views, "template_sha256": "0" * 64, "tools": "toolworld"}
    made = BundleSpec.model_validate({**plain, **spec})
    engine = Opened(*turns, slots=spec.get("slots", 1))
    monkeypatch.setattr("umi_lite.bundle.bundle.load_bundle", lambda path: Bundle(folder, made))
    monkeypatch.setattr("umi_lite.bundle.open.open_roles", lambda *_, **__: engine)
    return engine
