"""An example of each command: the last line of its help."""

EXAMPLES = {
    "": 'umi run "What is 12 * 34?"',
    "quickstart": "umi quickstart --out runs/quickstart",
    "adapt": "umi adapt --tools my_tools.py",
    "train": "umi train toolworld/qwen2.5-7b --dry-run",
    "export": "umi export runs/toolworld-smollm2-135m --merge --quantize Q8_0",
    "run": 'umi run "What is 12 * 34?" --tools my_tools.py',
    "chat": "umi chat --tools my_tools.py",
    "serve": "umi serve --port 8080",
    "mcp": "umi mcp --bundle runs/quickstart",
    "reproduce": "umi reproduce toolworld-small --dry-run",
    "bench": "umi bench -n 6",
    "doctor": "umi doctor toolworld/qwen2.5-7b",
    "eval": "umi eval toolworld -n 50",
    "eval toolworld": "umi eval toolworld --split ood -n 50",
    "eval wild": "umi eval wild -n 150",
    "eval gsm8k": "umi eval gsm8k --path test.jsonl -n 100",
    "eval bfcl": "umi eval bfcl --category multiple -n 100",
    "eval simulated": (
        "umi eval simulated toolalpaca --path eval_simulated.json "
        "--simulator http://HOST/v1#MODEL --out DIR"
    ),
    "eval judge": (
        "umi eval judge pass --traces DIR --endpoint http://HOST/v1#MODEL --out votes.jsonl"
    ),
    "eval static": "umi eval static --gold D.json --predictions P.jsonl",
    "eval math": "umi eval math --path test.jsonl --majority 8 --temperature 0.7",
    "eval grade": "umi eval grade --jsonl answers.jsonl",
    "data": "umi data preview toolworld/smollm2-135m",
    "data ls": "umi data ls",
    "data preview": "umi data preview toolworld/smollm2-135m -n 20 --html masks.html",
    "data render": "umi data render openai --path chats.jsonl --role planner",
    "data leaks": "umi data leaks toolworld/smollm2-135m",
    "data bootstrap": "umi data bootstrap toolworld -n 500 --out mine.jsonl",
    "recipes": "umi recipes ls",
    "recipes ls": "umi recipes ls",
    "recipes show": "umi recipes show toolworld/qwen2.5-7b --resolved",
    "sandbox": "umi sandbox test",
    "sandbox run": "umi sandbox run program.py --json",
    "sandbox test": "umi sandbox test --level standard",
    "trace": "umi trace ls --failed",
    "trace ls": "umi trace ls --failed --tool weather --since 1d paris",
    "trace show": "umi trace show last --prompt 4",
    "trace view": "umi trace view --port 8077",
    "trace export": "umi trace export --failed --since 1d --out failed.html",
    "trace replay": "umi trace replay run-3f2 --from 4 --with thought.txt",
}


def example(command: str) -> str:
    """Return the last line of the help of a command, named by its words without `umi`."""
    return f"Example: {EXAMPLES[command]}"
