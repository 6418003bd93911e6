"""What one model reads and writes: its tokenizer, its chat template, the grammars it is held to."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from umi_lite.agent.callable_tools import grammar_fault
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.protocol.template import BadTemplate, ChatTemplate

_KEPT_GRAMMARS = 64
# llguidance's mark of a token that no text can spell.
_SPECIAL = b"\xff"


class Words:
    """A model's language.

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
        """Has this other model the same vocabulary and chat template?"""
        source = template or model.chat_template
        return (self._model.tokenizer, self.template.source) == (model.tokenizer, source)

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids, without a BOS. `special`: are special tokens in `text` parsed?"""
        return self._model.encode(text, special=special)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens as their names."""
        return self._model.decode(ids)

    def matcher(self, grammar: str) -> Any:
        """llguidance's matcher of a Lark grammar, at its start.

        Raises:
            UserError: llguidance refuses the grammar.
        """
        return self.kept_matcher(grammar).deep_copy()

    def kept_matcher(self, grammar: str) -> Any:
        """The one that `matcher` copies, for setting one up takes 9 ms: not to be moved.

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
        """Let go of all that points into the model's vocabulary."""
        self._matchers.clear()
        self.__dict__.pop("tokens", None)

    @cached_property
    def tokens(self) -> Any:
        """llguidance's view of the vocabulary (50,000 tokens take 0.25 s).

        Its own `lltokenizer_from_vocab` takes four times as long: it asks for each token's
        kind by a deprecated name, and for its text in a buffer of 16 KiB.
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
            slices=None,
        )


def _template(model: Model, given: str | None) -> ChatTemplate:
    """The chat template, with the texts of the model's own special tokens."""
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
