"""`Language`: one model's tokenizer, chat template and grammar matchers.

`python -m umi_lite.engine.language GGUF` reads a JSON list of texts and writes one of ids.
"""

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.template import BadTemplate, ChatTemplate
from umi_lite.protocol.trajectory import Tool

_KEPT_GRAMMARS = 64
# llguidance's mark of a token that plain text cannot produce.
_SPECIAL = b"\xff"


class Language:
    """The tokenizer, chat template and grammar matchers of one model.

    Attributes:
        template: the chat template of its prompts.

    Args:
        template: jinja text to use in place of the GGUF's own template.

    Raises:
        UserError: the chat template is missing, or not append-only.
    """

    def __init__(self, model: Model, template: str | None = None):
        self._model = model
        self.template = _template(model, template)
        self._matchers: dict[str, Any] = {}

    def reads_as(self, model: Model, template: str | None = None) -> bool:
        """True if that model has the same vocabulary and chat template."""
        source = template or model.chat_template
        return (self._model.tokenizer, self.template.source) == (model.tokenizer, source)

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return token ids without a BOS; `special` parses special tokens in `text`."""
        return self._model.encode(text, special=special)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens as their names."""
        return self._model.decode(ids)

    def matcher(self, grammar: str) -> Any:
        """Return llguidance's matcher of a Lark grammar, at its start.

        Raises:
            UserError: llguidance refuses the grammar.
        """
        return self.kept_matcher(grammar).deep_copy()

    def kept_matcher(self, grammar: str) -> Any:
        """Return the matcher that `matcher` copies (making one takes 9 ms); not to be advanced.

        Raises:
            UserError: llguidance refuses the grammar.
        """
        if grammar not in self._matchers:
            from llguidance import LLMatcher

            matcher = LLMatcher(self.tokens, grammar)
            if matcher.is_error():
                reason = grammar_fault(matcher.get_error())
                raise UserError(f"the grammar cannot be used: {reason}")
            if len(self._matchers) >= _KEPT_GRAMMARS:
                del self._matchers[next(iter(self._matchers))]
            self._matchers[grammar] = matcher
        return self._matchers[grammar]

    def close(self) -> None:
        """Drop everything that points into the model's vocabulary."""
        self._matchers.clear()
        self.__dict__.pop("tokens", None)

    @cached_property
    def tokens(self) -> Any:
        """Return llguidance's form of the vocabulary (50,000 tokens take 0.1 s).

        Its own `lltokenizer_from_vocab` takes four times as long: it looks up each token's
        kind by a deprecated name, and its text in a buffer of 16 KiB.
        """
        import ctypes

        import llguidance

        model = self._model
        pieces = model.pieces()
        for token in model.specials():
            pieces[token] = _SPECIAL + pieces[token]
        read = ctypes.cast(model.lib.llama_cpp._lib.llama_tokenize, ctypes.c_void_p)
        library: Any = llguidance  # its stubs leave `from_llamacpp` out
        return library.LLTokenizer.from_llamacpp(
            tokens=pieces,
            vocab_ptr=model.vocab,
            tokenize_fptr=read.value,
            eos_token=sorted(model.eog),
            # Slices make a mask cheaper and this call twice as long. A mask is computed only if
            # the grammar refuses the model's own choice: six times in 84 tokens.
            slices=[],
        )


def _template(model: Model, given: str | None) -> ChatTemplate:
    """Return the chat template, with the texts of the model's special tokens."""
    source = given or model.chat_template
    if source is None:
        raise UserError(f"model {model.path} has no chat template (tokenizer.chat_template)")
    if not model.eog:
        raise UserError(f"model {model.path} has no token that ends a turn")
    ids = {name: model.special(name) for name in ("bos", "eos")}
    text = {name: "" if i is None else model.decode([i]) for name, i in ids.items()}
    ends = [model.decode([i]) for i in sorted(model.eog)]
    try:
        return ChatTemplate(source, ends=ends, **text)
    except BadTemplate as err:
        raise BadTemplate(f"model {model.path.name}: {err}") from None


# llguidance appends the refused grammar, however long, with line numbers.
_LISTING = re.compile(r"\n\s*\d+ \|.*\Z", re.DOTALL)
_LONGEST = 200
_PLACE = re.compile(r"^at \d+\(\d+\): (?:failed to compile JSON schema: )?")


def callable_tools(tools: Iterable[Tool]) -> tuple[tuple[Tool, ...], dict[str, str]]:
    """Return the tools that a grammar can be made for, and for each other tool one line why not.

    A tool with an unusable schema (a contradictory one, say) does not affect the others.
    """
    kept: list[Tool] = []
    refused: dict[str, str] = {}
    for tool in tools:
        try:
            why = _fault(call_grammar([tool]))
        except UserError as err:
            refused[tool.name] = str(err)
            continue
        if why is None:
            kept.append(tool)
        else:
            refused[tool.name] = f"tool {tool.name}: its schema cannot be used: {why}"
    return tuple(kept), refused


def usable_tools(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """Return the tools that can be called; a warning names each other one, and why."""
    kept, refused = callable_tools(tools)
    for why in refused.values():
        warnings.warn(f"{why}; it is left out", stacklevel=4)
    return kept


def grammar_error(grammar: str) -> str | None:
    """Return why no model could be held to a grammar, in one line; None if one can be."""
    return _fault(grammar)


def grammar_fault(error: str) -> str:
    """Return llguidance's reason on one line, without the grammar."""
    return " ".join(_PLACE.sub("", _LISTING.sub("", error)).split())[:_LONGEST]


@lru_cache(maxsize=4096)
def _fault(grammar: str) -> str | None:
    from llguidance import LLMatcher

    return grammar_fault(LLMatcher.validate_grammar(grammar, _bytes())) or None


@lru_cache(maxsize=1)
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def read_texts(gguf: Path, texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of texts, special tokens as plain text, from a child process.

    A CUDA build of llama.cpp takes GPU memory even for a vocabulary, which a trainer needs.

    Args:
        gguf: a model's file; only its vocabulary is loaded (about 0.5 s).

    Raises:
        UserError: it cannot be loaded.
    """
    done = subprocess.run(
        [sys.executable, "-m", "umi_lite.engine.language", str(gguf)],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise UserError(f"the vocabulary of {gguf} cannot be read: {last}")
    return json.loads(done.stdout)


def main() -> None:
    texts = json.load(sys.stdin)
    try:
        model = Model.vocabulary(Path(sys.argv[1]))
    except UserError as err:
        print(err, file=sys.stderr)
        sys.exit(2)
    with closing(model):
        json.dump([model.encode(text, special=False) for text in texts], sys.stdout)


if __name__ == "__main__":
    main()
