import random
import time

import pytest

from umi_lite.data.leaks import find_leaks
from umi_lite.data.traces import save
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory
from umi_lite.recipe.schema import Data, Eval, Recipe
from umi_lite.train import inputs

LONG = "A train leaves Rome at nine and drives eighty miles an hour to Milan ; when is it there"


def task(text: str, name: str = "t", **meta) -> Trajectory:
    steps = (Plan(thought="Known.", next="summarizer"), Answer(text="x"))
    return Trajectory(id=name, source="s", instruction=text, steps=steps, meta=meta)


@pytest.mark.parametrize(
    ("trained", "held_out", "similarity"),
    [
        ("How  many EGGS?", "how many eggs ?", 1),
        ("How many eggs?", "How many hens?", None),
        ("It costs 3.5.", "It costs 3,5.", None),
        # 19 words and signs, 15 5-grams: a word more at the end leaves 15 of 16.
        (LONG, LONG + " today", 15 / 16),
        (LONG, LONG.replace("train", "bus"), 13 / 17),
        (LONG, LONG.replace("A train", "The train"), 14 / 16),
        (LONG, " ".join(reversed(LONG.split())), None),
    ],
)
def test_similarity(trained: str, held_out: str, similarity: float | None) -> None:
    found = find_leaks([task("something else"), task(trained)], [task("no"), task(held_out)])
    if similarity is None or similarity < 0.8:
        assert not found
        return
    (leak,) = found
    assert leak.index == 1 and leak.held_out.instruction == held_out
    assert leak.similarity == pytest.approx(similarity)
    assert leak.exact == (similarity == 1)


def test_filtering_finds_what_all_pairs_find() -> None:
    """The prefix filter leaves out no pair at the threshold."""
    rng = random.Random(3)
    made = [" ".join(rng.choices("abcd", k=rng.randint(5, 30))) for _ in range(60)]
    made += [" ".join(text.split()[:-1]) for text in made] + [f"a {text}" for text in made]
    rng.shuffle(made)
    train, test = made[::2], made[1::2]

    def grams(text: str) -> set:
        said = text.split()
        return {tuple(said[i : i + 5]) for i in range(max(1, len(said) - 4))}

    def near(one: str, other: str) -> bool:
        a, b = grams(one), grams(other)
        return one == other or 5 * len(a & b) >= 4 * len(a | b)

    wanted = [i for i, text in enumerate(train) if any(near(text, other) for other in test)]
    assert len(wanted) > 20
    got = find_leaks([task(text) for text in train], [task(text) for text in test])
    assert [leak.index for leak in got] == wanted


def test_generated_tasks_of_other_worlds_are_other_tasks() -> None:
    one, other = task("Show my to-dos.", world_seed=1), task("Show my to-dos.", world_seed=2)
    assert not find_leaks([one], [other])
    assert find_leaks([one], [one])


def test_time_grows_with_the_tasks_not_with_the_pairs() -> None:
    rng = random.Random(0)
    words = [f"w{i}" for i in range(300)]
    tasks = [task(" ".join(rng.choices(words, k=40))) for _ in range(4000)]
    began = time.process_time()
    assert not find_leaks(tasks[:2000], tasks[2000:])
    assert time.process_time() - began < 10  # all 4 million pairs take minutes


def recipe(tmp_path, trained: list[str], held_out: list[str]) -> Recipe:
    paths = {"train": trained, "test": held_out}
    for name, texts in paths.items():
        made = [task(text, f"{name}-{i}") for i, text in enumerate(texts)]
        save(made, tmp_path / f"{name}.jsonl")
    train, test = (Data(source="traces", path=str(tmp_path / f"{n}.jsonl")) for n in paths)
    return Recipe(name="mine", data=(train,), eval=Eval(data=(test,)))


def test_what_leaks_is_not_trained_and_told(tmp_path) -> None:
    made = recipe(tmp_path, ["one", "two", "three", LONG, "four"], ["TWO", LONG + " today"])
    loaded = inputs.load_data(made)
    assert [t.instruction for t in loaded.trajectories] == ["one", "three", "four"]
    assert loaded.drop_table() == [
        ("LEAK: its instruction is in the held-out data, word for word", 1, "train-1"),
        ("LEAK: its instruction is in the held-out data, nearly word for word", 1, "train-3"),
    ]


def test_the_same_file_twice_is_refused(tmp_path) -> None:
    made = recipe(tmp_path, ["one", "two", "three"], ["three", "two"])
    with pytest.raises(UserError, match=r"2 of 3 training tasks .* train-1 is test-1"):
        inputs.load_data(made)
    assert [leak.trained.id for leak in inputs.leaks_of(made)] == ["train-1", "train-2"]


def test_held_out_data_that_is_missing_is_named(tmp_path) -> None:
    made = recipe(tmp_path, ["one"], ["two"])
    (tmp_path / "test.jsonl").unlink()
    with pytest.raises(UserError, match=r"test\.jsonl: no such file.*held-out"):
        inputs.load_data(made)


def test_other_splits_of_toolworld_are_not_generated_to_be_compared(monkeypatch) -> None:
    made = []
    real = inputs.load_source
    monkeypatch.setattr(inputs, "load_source", lambda *a: made.append(a[1]) or real(*a))
    train, test = (Data(source="toolworld", split=s, n=4) for s in ("train", "test"))
    inputs.load_data(Recipe(name="mine", data=(train,), eval=Eval(data=(test,))))
    assert made == [{"split": "train", "n": 4}]
    with pytest.raises(UserError, match="4 of 4"):
        inputs.load_data(Recipe(name="mine", data=(train,), eval=Eval(data=(train,))))
