"""ROUGE-L as the paper measured it: summary level, on distinct words, as `rouge` 1.0.1 has it.

The measure is C.-Y. Lin's (ROUGE: A Package for Automatic Evaluation of Summaries, 2004,
section 3.2): the union, over all pairs of a reference's and a hypothesis' sentence, of their
longest common subsequences. Lin counts words; the package `rouge` 1.0.1 (Apache-2.0), which the
official evaluation calls with its defaults, differs, and so does this:

- sentences end at every full stop, that of `3.14` too; words are split at blanks, and neither
  case nor punctuation is taken off;
- a word counts once a text, however often it is repeated;
- a sentence of blanks alone (a text that ends in ". ") holds one word, the empty one;
- F = 2PR / (P + R + 1e-8): a perfect hypothesis has 0.999999995.

Of equally long subsequences the package keeps the one found from the end, going back in the
hypothesis first. Unlike it, texts of any length are read, and a text without a sentence has F 0
where the package raises.
"""

from collections.abc import Sequence

_EPSILON = 1e-8


def rouge_l(hypothesis: str, reference: str) -> float:
    """F of ROUGE-L, 0 to 1.

    Args:
        hypothesis: what was said.
        reference: what is true.
    """
    said, true = sentences(hypothesis), sentences(reference)
    if not said or not true:
        return 0.0
    common = {word for one in true for other in said for word in _lcs(one, other)}
    precision = len(common) / len({word for sentence in said for word in sentence})
    recall = len(common) / len({word for sentence in true for word in sentence})
    return 2.0 * (precision * recall / (precision + recall + _EPSILON))


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence; none of a text that is empty or nothing but full stops."""
    return [sentence.split() or [""] for sentence in text.split(".") if sentence]


def _lcs(reference: Sequence[str], hypothesis: Sequence[str]) -> list[str]:
    """A longest common subsequence, its words from the last to the first."""
    if not set(reference) & set(hypothesis):
        return []
    rows = [[0] * (len(hypothesis) + 1)]
    for word in reference:
        above, row = rows[-1], [0]
        for j, other in enumerate(hypothesis):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        rows.append(row)
    words: list[str] = []
    i, j = len(reference), len(hypothesis)
    while i and j:
        if reference[i - 1] == hypothesis[j - 1]:
            i, j = i - 1, j - 1
            words.append(reference[i])
        elif rows[i - 1][j] > rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words
