"""A bundle is written whole or not at all, and opened only when all of it holds."""

import json
import os
import resource
import shutil
from pathlib import Path

import pytest

from umi_lite.bundle.bundle import Bundle, load_bundle, write_bundle
from umi_lite.engine.draft import Phrases
from umi_lite.errors import UserError
from umi_lite.files import sha256
from umi_lite.protocol.trajectory import ROLES


def refused(path: Path) -> str:
    with pytest.raises(UserError) as err:
        load_bundle(path)
    assert "\n" not in str(err.value)
    return str(err.value)


@pytest.fixture
def copy(tmp_path, bundle) -> Path:
    """The bundle again, to be damaged file by file."""
    made = shutil.copytree(bundle.path, tmp_path / "copy", copy_function=os.link)
    return Path(made)


def replace(path: Path, data: bytes) -> None:
    path.unlink()  # the file is shared with the bundle that it was copied from
    path.write_bytes(data)


def respell(folder: Path, change) -> None:
    spec = json.loads((folder / "bundle.json").read_text())
    change(spec)
    replace(folder / "bundle.json", json.dumps(spec).encode())


def respell_file(folder: Path, view: str) -> None:
    """Make `bundle.json` agree with a file that was exchanged."""
    path = folder / f"{view}.gguf"

    def change(spec):
        spec["views"][view] |= {"size": path.stat().st_size, "sha256": sha256(path)}

    respell(folder, change)


def test_a_copy_opens_wherever_it_is(copy):
    assert load_bundle(str(copy)).adapters["caller"] == copy / "caller.gguf"


def test_what_is_no_bundle(tmp_path):
    assert "it is not a folder" in refused(tmp_path / "none")
    assert "it has no bundle.json" in refused(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    assert "bundle.json cannot be read" in refused(tmp_path)
    (tmp_path / "bundle.json").write_text("[]")
    assert "bundle.json: the file" in refused(tmp_path)


def test_missing_files(copy, bundle):
    (copy / "caller.gguf").unlink()
    assert "caller.gguf: No such file" in refused(copy)
    (copy / bundle.base.name).unlink()
    assert f"{bundle.base.name}: No such file" in refused(copy)


def test_cut_off_files(copy, bundle):
    data = (copy / "planner.gguf").read_bytes()
    replace(copy / "planner.gguf", data[:-100])
    assert "planner.gguf is cut off" in refused(copy)
    replace(copy / "planner.gguf", data[:100])
    assert "cut off within its header" in refused(copy)
    replace(copy / "planner.gguf", b"")
    assert "planner.gguf is not a GGUF file" in refused(copy)


def test_a_foreign_file(copy):
    replace(copy / "caller.gguf", b"PK\x03\x04 a zip archive")
    assert "caller.gguf is not a GGUF file" in refused(copy)


def test_one_changed_byte(copy):
    data = bytearray((copy / "summarizer.gguf").read_bytes())
    data[-1] ^= 1
    replace(copy / "summarizer.gguf", bytes(data))
    assert "summarizer.gguf is not the file that was exported" in refused(copy)


def test_exchanged_adapters(copy):
    replace(copy / "caller.gguf", (copy / "planner.gguf").read_bytes())
    assert "caller.gguf is" in refused(copy)


def test_phrases_travel_with_the_bundle_and_are_verified(tmp_path, base_gguf, bundle):
    phrases = Phrases({(1, 2): (3, 0.75)})
    phrases.save(tmp_path / "learned.json")
    learned = {"planner": tmp_path / "learned.json"}
    made = write_bundle(
        tmp_path / "out", base_gguf=base_gguf, adapters=bundle.adapters, phrases=learned
    )
    opened = load_bundle(made.path)
    assert Phrases.load(opened.phrases["planner"]) == phrases
    with opened.engine(n_ctx=64) as engine:
        assert engine.phrases == {"planner": phrases}
    path = opened.phrases["planner"]
    replace(path, path.read_bytes().replace(b"3", b"4"))
    assert "planner.phrases.json is not the file that was exported" in refused(made.path)
    path.unlink()
    assert "planner.phrases.json: No such file" in refused(made.path)


def test_an_adapter_of_another_architecture(copy):
    data = (copy / "caller.gguf").read_bytes()
    replace(copy / "caller.gguf", data.replace(b"llama", b"qwen2", 1))
    respell_file(copy, "caller")
    message = refused(copy)
    assert "caller.gguf is for architecture 'qwen2', the base is 'llama'" in message


def test_a_model_in_an_adapters_place(copy, bundle):
    (copy / "caller.gguf").unlink()
    os.link(bundle.base, copy / "caller.gguf")
    respell_file(copy, "caller")
    assert "caller.gguf is not a LoRA adapter" in refused(copy)


def test_another_template(copy):
    respell(copy, lambda spec: spec.update(template_sha256="0" * 64))
    assert "another chat template" in refused(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: spec.update(version=2), "version 2"),
        (lambda spec: spec.update(colour="red"), "colour"),
        (lambda spec: spec["bounds"].update(colour="red"), "bounds.colour"),
        (lambda spec: spec["base"].update(file="../base.gguf"), "base.file"),
        (lambda spec: spec["base"].update(file="base.json"), "base.file"),
        (lambda spec: spec.update(views={}), "views"),
        (lambda spec: spec.update(phrases={"planner": spec["base"]}), "phrases.planner.file"),
    ],
)
def test_a_spec_that_does_not_hold(copy, change, words):
    respell(copy, change)
    assert words in refused(copy)


def test_a_style_that_the_loop_does_not_run(copy):
    respell(copy, lambda spec: spec.update(style="paper"))
    with pytest.raises(UserError, match="style 'paper'"):
        load_bundle(copy).engine()


def roles(bundle: Bundle) -> dict:
    return {role: bundle.adapters[role] for role in ROLES}


def not_written(out: Path, **parts) -> str:
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(UserError) as err:
        write_bundle(out, **parts)
    assert "\n" not in str(err.value)
    assert sorted(out.parent.rglob("*")) == before
    return str(err.value)


def test_writing_links_the_base_and_replaces_an_older_bundle(tmp_path, base_gguf, bundle):
    out = tmp_path / "new" / "bundle"
    write_bundle(out, base_gguf=base_gguf, adapters={"backbone": bundle.adapters["backbone"]})
    made = write_bundle(out, base_gguf=base_gguf, adapters=roles(bundle), hf_id="a/b")
    assert load_bundle(out) == made and set(made.spec.views) == set(ROLES)
    assert sha256(made.base) == sha256(base_gguf)
    assert os.listdir(out.parent) == ["bundle"]


def test_an_incomplete_set_of_roles(tmp_path, base_gguf, bundle):
    some = {"planner": bundle.adapters["planner"], "caller": bundle.adapters["caller"]}
    assert "for the summarizer too" in not_written(
        tmp_path / "b", base_gguf=base_gguf, adapters=some
    )


def test_a_folder_that_is_something_else_stays(tmp_path, base_gguf, bundle):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("x")
    message = not_written(out, base_gguf=base_gguf, adapters=roles(bundle))
    assert "holds something that is not a bundle" in message


def test_a_truncated_base_and_the_older_bundle_stays(copy, tmp_path, base_gguf, bundle):
    cut = tmp_path / "cut.gguf"
    with base_gguf.open("rb") as file:
        cut.write_bytes(file.read(base_gguf.stat().st_size // 2))
    message = not_written(copy, base_gguf=cut, adapters=roles(bundle))
    assert "cut.gguf cannot be loaded" in message
    load_bundle(copy)


def test_an_adapter_is_no_base(tmp_path, bundle):
    adapter = bundle.adapters["planner"]
    message = not_written(tmp_path / "b", base_gguf=adapter, adapters=roles(bundle))
    assert "planner.gguf is not a model" in message


def test_a_full_disk(tmp_path, base_gguf, bundle):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        message = not_written(tmp_path / "b", base_gguf=base_gguf, adapters=roles(bundle))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{tmp_path / 'b'} cannot be written: File too large" in message
