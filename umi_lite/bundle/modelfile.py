"""Ollama Modelfiles for merged roles: their prompts say the same tokens as training's did.

A chat template here is append-only, so a prompt of system message, user and assistant in turn is a
sum of fixed texts and contents. Those texts become Ollama's TEMPLATE, in the language of Go's
text/template. Without TEMPLATE, most versions of Ollama take one of their own that looks similar to
the GGUF's jinja template, or none (ollama/ollama, template/template.go); the newest run the jinja.
Format: its docs/modelfile.mdx, as parser/parser.go reads it.
"""

import re
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from umi_lite.engine.gguf import read_header
from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.protocol.roles import SYSTEM
from umi_lite.protocol.template import BadTemplate, ChatTemplate, Message, Part
from umi_lite.protocol.trajectory import View

# The context of `umi run` where memory allows it (`engine.placement`).
_N_CTX = 4096


class Frame(NamedTuple):
    """The fixed texts of a prompt: before the system message, and after each kind of message.

    `user` ends with the generation prompt, `assistant` with the start of the user's next message.
    """

    start: str
    system: str
    user: str
    assistant: str


def frame_of(template: ChatTemplate) -> Frame:
    """Return the fixed texts of a chat template.

    Raises:
        BadTemplate: they depend on the message's position.
    """
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    marks = [f"\ue002{at}\ue003" for at in range(len(roles))]
    messages = [
        Message(role, (Part(mark, False),)) for role, mark in zip(roles, marks, strict=True)
    ]
    text = "".join(piece.text for piece in template.pieces(messages))
    start, *after = re.split("|".join(marks), text)
    if not after[1] == after[3] == after[5] or after[2] != after[4]:
        raise BadTemplate("the texts between its messages depend on their positions")
    return Frame(start, after[0], after[1], after[2])


def go_template(frame: Frame) -> str:
    """Return a Go template of `.Messages` that prints the same prompts as the chat template.

    An assistant's message that is the last one is left open: the role continues it.
    """
    start, system, user, assistant = map(_literal, frame)
    return (
        "{{ range $i, $m := .Messages }}"
        f'{{{{ if eq $m.Role "system" }}}}{start}{{{{ $m.Content }}}}{system}'
        f'{{{{ else if eq $m.Role "user" }}}}{{{{ $m.Content }}}}{user}'
        '{{ else if eq $m.Role "assistant" }}{{ $m.Content }}'
        f"{{{{ if gt (len (slice $.Messages $i)) 1 }}}}{assistant}{{{{ end }}}}"
        "{{ end }}{{ end }}"
    )


def _literal(text: str) -> str:
    """Return a text as a Go template in a Modelfile has it, with escapes where either would act."""
    parts = re.split(r'(\{\{|\}\}|""")', text)
    return "".join(
        _constant(part) if at % 2 else "".join(map(_character, part))
        for at, part in enumerate(parts)
    )


def _character(char: str) -> str:
    return char if char.isprintable() or char in "\n\t" else _constant(char)


def _constant(text: str) -> str:
    """Return an action that prints a text, as a Go string constant of ASCII."""
    escaped = "".join(f"\\U{ord(char):08x}" for char in text)
    return f'{{{{ "{escaped}" }}}}'


def modelfile(gguf: Path, view: View, *, name: str, temperature: float) -> str:
    """Return the Modelfile of a merged role, to be written next to its GGUF.

    Args:
        gguf: the merged model; its chat template is the one of training.
        name: of the recipe.
        temperature: that the role was measured with; 0 is greedy.

    Raises:
        UserError: the model has no chat template that a Modelfile can hold.
    """
    header = read_header(gguf, "merged model")
    longest = header.get(f"{header['general.architecture']}.context_length", _N_CTX)
    with closing(Model.vocabulary(gguf)) as model:
        template = Language(model).template
        bos = model.special("bos")
        first = "" if bos is None else model.decode([bos])
        adds_first = bool(model.lib.llama_vocab_get_add_bos(model.vocab))
    frame = frame_of(template)
    if adds_first:  # Ollama too, before the text
        frame = frame._replace(start=frame.start.removeprefix(first))
    lines = [
        f"# ollama create {name}-{view} -f {gguf.stem}.Modelfile",
        "# SYSTEM is the role's, without tools: send one of your own with `Tools:` and a line per",
        "# tool after it (see the bundle's README.md). The assistant's last message is continued.",
        f"FROM ./{gguf.name}",
        f'TEMPLATE """{go_template(frame)}"""',
        f'SYSTEM """{SYSTEM[view]}"""',
        f'PARAMETER stop "{template.end_of_turn}"',
        f"PARAMETER num_ctx {min(_N_CTX, longest)}",
        f"PARAMETER temperature {temperature:g}",
        "# The default of older versions, 1.1, changes which token is the most likely one.",
        "PARAMETER repeat_penalty 1",
    ]
    return "\n".join(lines) + "\n"
