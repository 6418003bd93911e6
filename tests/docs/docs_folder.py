"""A folder with what the commands of the docs assume: a bundle, traces, tools, data, a server."""

import json
import shutil
import sys
from pathlib import Path

import yaml
from docs_commands import ROOT
from local_server import JsonHandler

TOOLS = '''\
def in_stock(item: str) -> int:
    """The number of pieces of an item in stock.

    Args:
        item: name of the item
    """
    return len(item)


def price(item: str, currency: str = "EUR") -> float:
    """The price of an item.

    Args:
        item: name of the item
        currency: code of the currency
    """
    return 1.5
'''
OPENAPI = """\
openapi: 3.0.0
paths:
  /pets:
    get:
      operationId: listPets
      summary: List all pets
      parameters: [{name: limit, in: query, required: true, schema: {type: integer, maximum: 100}}]
  /pets/{name}:
    delete:
      operationId: deletePet
      summary: Delete a pet
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
"""
GOLD = [
    {
        "tools": [{"Name": "weather", "function": "", "input": {}}],
        "conversations": [
            {"from": "user", "value": "Is it raining in Paris?"},
            {"from": "assistant", "value": "I look. Next: caller."},
            {"from": "caller", "value": 'Action: weather\nAction Input: {"city": "Paris"}'},
            {"from": "observation", "value": "rain"},
            {"from": "assistant", "value": "Done. Next: conclusion."},
            {"from": "conclusion", "value": "Yes."},
        ],
    }
]
PREDICTION = {"dialogue": 0, "turn": 1, "next": "caller", "tool": "weather", "arguments": {}}
WORDS = {
    "question": "Ann sells 40 cups in May and half as many in June. How many in all?",
    "answer": "In June 40/2 = <<40/2=20>>20 cups.\nIn all 40+20 = <<40+20=60>>60 cups.\n#### 60",
}
MATH = {"problem": "What is 1 + 1?", "solution": r"It is \boxed{2}."}


class Judge(JsonHandler):
    """An LLM at an endpoint, for judges and simulated tools."""

    def do_POST(self) -> None:
        self.body()
        message = {"role": "assistant", "content": "Results: Yes. Solved. Better: 1"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        made = {"id": "1", "object": "chat.completion", "created": 0, "model": "judge"}
        self.reply(200, made | {"choices": [choice]})


def _write(path: Path, *rows: object) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _shape_of_7b(folder: Path, tokenizer: Path) -> None:
    """Write what `--dry-run` reads of Qwen2.5-7B: its sizes. The tokenizer is another one's."""
    folder.mkdir()
    for file in tokenizer.glob("*token*"):
        shutil.copy(file, folder / file.name)
    sizes = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(sizes))


def fill(folder: Path, bundle: Path, base_hf: Path) -> None:
    """Write all files that the docs name into an empty folder.

    Args:
        bundle: a bundle with short turns.
        base_hf: the embedded model as an HF folder.
    """
    for run in ("quickstart", "r", "toolworld-qwen2.5-7b"):
        (folder / "runs" / run).mkdir(parents=True)
        (folder / "runs" / run / "bundle").symlink_to(bundle)
    (folder / "BUNDLE").symlink_to(bundle)
    (folder / "my_tools.py").write_text(TOOLS)
    server = {
        "command": sys.executable,
        "args": [str(ROOT / "examples" / "mcp_tools.py"), "--serve"],
    }
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"dates": server}}))
    (folder / "spec.yaml").write_text(OPENAPI)
    for name in ("D.json", "DIALOGUES.json"):
        (folder / name).write_text(json.dumps(GOLD))
    _write(folder / "predictions.jsonl", PREDICTION)
    for name in ("answers.jsonl", "FILE"):
        _write(folder / name, {"pred": "4", "gold": "4"})
    _write(folder / "train.jsonl", WORDS)
    _write(folder / "test.jsonl", MATH)
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    chat = page.partition("```json\n")[2].partition("\n```")[0]
    _write(folder / "chats.jsonl", *[json.loads(chat)] * 4)
    (folder / "thought.txt").write_text("I look it up.")
    (folder / "program.py").write_text("print(12 * 34)")
    recipe = {
        "name": "mine",
        "base": {"gguf": "embedded"},
        "data": [{"source": "toolworld", "split": "train", "n": 8}],
        "stages": {"global": {"max_steps": 1}, "local": {"max_steps": 1}},
    }
    (folder / "RECIPE").write_text(yaml.safe_dump(recipe))
    _shape_of_7b(folder / "qwen2.5-7b", base_hf)
