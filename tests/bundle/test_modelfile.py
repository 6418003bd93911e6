"""A merged role's Modelfile says the tokens that the role was trained on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tiny_gguf import write_tiny

from umi_lite.bundle.modelfile import Frame, frame_of, go_template, modelfile
from umi_lite.errors import UserError
from umi_lite.protocol.roles import SYSTEM
from umi_lite.protocol.template import BadTemplate, ChatTemplate, Message, Part
from umi_lite.recipe.library import template_names, template_text

ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|END_OF_TURN_TOKEN|>")
ROLES = {"s": "system", "u": "user", "a": "assistant"}
SAID = ("Hi {{ .X }}", "a\n\nb\tc  ", '"""<|im_end|> ｜', "Next: caller\n")
Conversation = list[tuple[str, str]]
CONVERSATIONS: list[Conversation] = [
    [(ROLES[who], SAID[(at + shift) % len(SAID)]) for at, who in enumerate(shape)]
    for shift, shape in enumerate(("su", "sua", "suau", "suaua", "suauau"))
]


def go_rendered(template: str, conversation: Conversation) -> str:
    """Return what Go's text/template prints, of the few actions that `go_template` uses."""
    head, foot = "{{ range $i, $m := .Messages }}", "{{ end }}{{ end }}"
    assert template.startswith(head) and template.endswith(foot)
    body = template[len(head) : -len(foot)]
    branches = re.split(r'\{\{ (?:else )?if eq \$m\.Role "(\w+)" \}\}', body)
    assert branches[0] == "" and branches[1::2] == ["system", "user", "assistant"]
    text = ""
    for at, (role, content) in enumerate(conversation):
        part = branches[branches.index(role) + 1]
        more = r"\{\{ if gt \(len \(slice \$\.Messages \$i\)\) 1 \}\}(.*)\{\{ end \}\}"
        last = at + 1 == len(conversation)
        part = re.sub(more, "" if last else r"\1", part, flags=re.DOTALL)
        for piece in re.split(r"(\{\{.*?\}\})", part):
            if piece == "{{ $m.Content }}":
                text += content
            elif constant := re.fullmatch(r'\{\{ "((?:\\U[0-9a-f]{8})+)" \}\}', piece):
                text += constant[1].encode().decode("unicode_escape")
            else:
                assert "{{" not in piece
                text += piece
    return text


def prompt(template: ChatTemplate, conversation: Conversation) -> str:
    """Return the prompt as the engine has it; an assistant's last message is left open."""
    messages = [Message(role, (Part(text, False),)) for role, text in conversation]  # type: ignore[arg-type]
    pieces = template.pieces(messages)
    return "".join(p.text for p in (pieces[:-1] if conversation[-1][0] == "assistant" else pieces))


def official() -> list[ChatTemplate]:
    """Return the append-only chat templates of TRL and of the recipes."""
    import trl

    folder = Path(trl.__file__).parent / "chat_templates"
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))]
    made = []
    for text in [*texts, *map(template_text, template_names())]:
        try:
            made.append(ChatTemplate(text, ends=ENDS, bos="<s>", eos="</s>"))
        except BadTemplate:
            continue
    return made


def test_the_template_prints_the_prompts_of_the_chat_template():
    templates = official()
    assert len(templates) > 20
    for template in templates:
        made = go_template(frame_of(template))
        for conversation in CONVERSATIONS:
            assert go_rendered(made, conversation) == prompt(template, conversation)


ODD = Frame('a{{ x }}"""\u00a0\r\n\u200d', "\\{{{ \x01 }}}", '"', '""""""\t \n \U0001f600')


def test_texts_that_go_or_a_modelfile_would_read_are_escaped():
    made = go_template(ODD)
    conversation = CONVERSATIONS[2]
    system, user, assistant, last = (text for _, text in conversation)
    right = ODD.start + system + ODD.system + user + ODD.user + assistant + ODD.assistant + last
    assert go_rendered(made, conversation) == right + ODD.user
    assert '"""' not in made and all(c.isprintable() or c in "\n\t" for c in made)


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain is installed")
def test_gos_own_template_engine_prints_the_same(tmp_path):
    """Go's text/template itself, on the odd texts and on a real template."""
    chatml = ChatTemplate(template_text("chatml"), ends=ENDS)
    (tmp_path / "main.go").write_text(_GO)
    for frame in (ODD, frame_of(chatml)):
        (tmp_path / "template").write_text(go_template(frame), newline="")
        done = subprocess.run(
            ["go", "run", "main.go"], cwd=tmp_path, capture_output=True, check=True
        )
        said = [("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V")]
        assert done.stdout == go_rendered(go_template(frame), said).encode()


_GO = """package main

import ("os"; "text/template")

type Message struct { Role, Content string }

func main() {
	text, _ := os.ReadFile("template")
	made := template.Must(template.New("").Option("missingkey=zero").Parse(string(text)))
	said := []*Message{{"system", "S"}, {"user", "U"}, {"assistant", "A"}, {"user", "V"}}
	if err := made.Execute(os.Stdout, map[string]any{"Messages": said}); err != nil { panic(err) }
}
"""


def test_a_modelfile(tmp_path):
    model = write_tiny(tmp_path / "planner.gguf")
    text = modelfile(model, "planner", name="mine", temperature=0.0)
    lines = text.splitlines()
    assert lines[0] == "# ollama create mine-planner -f planner.Modelfile"
    assert "FROM ./planner.gguf" in lines
    assert f'SYSTEM """{SYSTEM["planner"]}"""' in lines
    assert [line for line in lines if line.startswith("PARAMETER")] == [
        'PARAMETER stop "<|im_end|>"', "PARAMETER num_ctx 2048", "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
    ]  # fmt: skip
    found = re.search(r'^TEMPLATE """(.*?)"""$', text, re.DOTALL | re.MULTILINE)
    assert found and go_rendered(found[1], [("system", "S"), ("user", "U")]) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_depends_on_positions_is_refused():
    numbered = (
        "{% for m in messages %}[{{ loop.index }}]{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}[{{ messages | length + 1 }}]{% endif %}"
    )
    with pytest.raises(UserError, match="depend on their positions"):
        frame_of(ChatTemplate(numbered, ends=ENDS))


def test_bos_is_left_to_the_program_that_adds_it(tmp_path, monkeypatch):
    template = (
        "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    monkeypatch.setattr("tiny_gguf._TEMPLATE", template)
    for adds in (True, False):
        model = write_tiny(tmp_path / f"{adds}.gguf", bos=adds)
        text = modelfile(model, "planner", name="mine", temperature=0.0)
        start = '"system" }}<|im_start|>system' if adds else '"system" }}<|im_start|><|im_start|>'
        assert start in text
