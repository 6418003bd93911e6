"""A bundle reaches the hub whole or not at all, and nothing else does (against a stand-in)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_hub import TOKEN, LocalHub, Repository
from local_server import running
from tiny_gguf import WIDTH, write_tiny
from tiny_lora import write_adapter
from typer.testing import CliRunner

from umi_lite.bundle.bundle import Bundle, write_bundle
from umi_lite.bundle.push import push
from umi_lite.cli.app import app
from umi_lite.errors import UserError

REPO = "someone/some-agent"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Bundle:
    """A bundle of two tiny files, next to what is not of it."""
    folder = tmp_path_factory.mktemp("small")
    base = write_tiny(folder / "base.gguf")
    adapter = write_adapter(folder / "adapter.gguf", width=WIDTH)
    bundle = write_bundle(
        folder / "bundle",
        base_gguf=base,
        adapters={"backbone": adapter},
        card=lambda _: "---\nlicense: apache-2.0\n---\n# Mine\n",
    )
    (bundle.path / "train.jsonl").write_text('{"secret": 1}\n')
    (bundle.path / "traces").mkdir()
    (bundle.path / "traces" / "one.json").write_text("{}")
    return bundle


@pytest.fixture
def hub(monkeypatch) -> Iterator[LocalHub]:
    from huggingface_hub import constants

    with running(LocalHub()) as server:  # type: ignore[type-var]
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # Its client waits 23 s between its tries.
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        yield server


def refused(bundle: Bundle, repo: str = REPO, **more) -> str:
    with pytest.raises(UserError) as err:
        push(bundle, repo, **more)
    assert "\n" not in str(err.value)
    return str(err.value)


def test_a_bundle_is_uploaded_in_one_commit_and_nothing_else(small, hub):
    assert push(small, REPO, private=True) == f"{hub.url}/{REPO}"
    there = hub.repositories[REPO]
    named = ["README.md", "backbone.gguf", "base.gguf", "bundle.json"]
    assert sorted(there.files) == [".gitattributes", *named]
    assert all(there.files[name] == (small.path / name).read_bytes() for name in named)
    assert (there.private, there.commits) == (True, 1)


def test_a_second_upload_replaces_the_bundle_but_not_a_card_edited_there(small, hub):
    push(small, REPO)
    hub.repositories[REPO].files["README.md"] = b"# My own words\n"
    hub.repositories[REPO].files["bundle.json"] = b"{}"
    notes: list[str] = []
    push(small, REPO, note=notes.append)
    there = hub.repositories[REPO].files
    assert there["README.md"] == b"# My own words\n" and json.loads(there["bundle.json"])
    assert len(notes) == 1 and "edited on the hub" in notes[0]


def test_a_repository_with_other_content_stays(small, hub):
    hub.repositories[REPO] = Repository(False, {".gitattributes": b"", "thesis.pdf": b"x"})
    assert "holds something that is not a bundle (thesis.pdf)" in refused(small)
    assert hub.repositories[REPO].commits == 0


def test_a_public_repository_does_not_get_what_should_be_private(small, hub):
    push(small, REPO)
    assert "is public on the hub" in refused(small, private=True)
    assert hub.repositories[REPO].commits == 1


def test_a_file_that_changed_since_export(small, hub, tmp_path):
    import shutil

    folder = Path(shutil.copytree(small.path, tmp_path / "bundle"))
    (folder / "backbone.gguf").write_bytes(b"x" * (folder / "backbone.gguf").stat().st_size)
    assert "is not the file that was exported" in refused(Bundle(folder, small.spec))
    assert hub.asked == []


@pytest.mark.parametrize("name", ["agent", "a/b/c", "some one/agent", "a/-b", "", "a/" + "b" * 97])
def test_a_name_that_cannot_be(small, hub, name):
    assert "--push-to-hub takes OWNER/NAME" in refused(small, name)


def test_no_token(small, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "hf auth login" in refused(small)


def test_no_network(small, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1 does not answer" in refused(small)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(small)


def test_a_token_that_is_not_accepted(small, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not accept the token (401)" in refused(small)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("create", 403, "may not write there (403)"),
        ("preupload", 403, "may not write there (403)"),
        ("commit", 403, "may not write there (403)"),
        ("create", 503, "not available (503)"),
        ("preupload", 500, "not available (500)"),
        ("batch", 502, "not available (502)"),
        ("put", 500, "not available (500)"),
        ("commit", 503, "not available (503)"),
        ("commit", 412, "the hub refused (412)"),
        ("preupload", 0, "was interrupted"),
        ("put", 0, "was interrupted"),
        ("commit", 0, "was interrupted"),
    ],
)
def test_what_fails_in_the_middle_publishes_nothing(small, hub, kind, status, words):
    hub.fails[kind] = status
    message = refused(small)
    assert words in message
    assert ("nothing was published" if status else "before the hub confirmed it") in message
    assert kind in hub.asked
    there = hub.repositories.get(REPO, Repository(False))
    assert there.commits == 0 and set(there.files) <= {".gitattributes"}
    # The next try completes it.
    hub.fails.clear()
    push(small, REPO)
    assert "bundle.json" in hub.repositories[REPO].files


def test_a_file_that_the_repository_ignores_is_missed(small, hub):
    hub.ignored.add("backbone.gguf")
    assert "lacks backbone.gguf after the upload" in refused(small)


def test_the_option_of_export(small, hub, monkeypatch, tmp_path):
    made: list[Path] = []

    def export_run(run, *_, **__):
        made.append(run)
        return small

    monkeypatch.setattr("umi_lite.bundle.export.export_run", export_run)
    command = ["export", str(tmp_path), "--push-to-hub"]
    ended = CliRunner().invoke(app, [*command, REPO, "--private"])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines()[-1] == f"{hub.url}/{REPO}"
    assert hub.repositories[REPO].private and len(made) == 1
    # What an upload needs is checked before the run is exported.
    for arguments in ([*command, "agent"], ["export", str(tmp_path), "--private"]):
        assert isinstance(CliRunner().invoke(app, arguments).exception, UserError)
    assert len(made) == 1
