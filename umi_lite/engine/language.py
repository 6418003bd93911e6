"""`Language`: one model's tokenizer, chat template and grammar matchers."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from umi_lite.agent.callable_tools import grammar_fault
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.protocol.template import BadTemplate, ChatTemplate

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
        """Return llguidance's form of the vocabulary (50,000 tokens take 0.25 s).

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
            slices=None,
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
