"""Other ways to run the three roles, with the interface that the agent expects of an engine.

Each one gets the same token ids, samples greedily and is constrained to the same language, in GBNF.
"""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gbnf import gbnf
from benchmarks.plain_llama import plain_llama
from umi_lite.engine.engine import Engine
from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import repacks
from umi_lite.engine.proof import death
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import common_prefix
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, View


class Baseline:
    """Generates one turn at a time; `engine` provides the tokenizer, its contexts are not used."""

    slots = 1

    def __init__(self, engine: Engine, held: Mapping[View, str | None]):
        self.base = engine.base
        self.n_ctx = engine.n_ctx
        self._engine = engine
        self._grammars = held
        # Where a grammar is complete, a model may choose any of its end tokens.
        self._ends = Model.vocabulary(engine.base).eog

    @property
    def elsewhere(self) -> float:
        """Return the processor seconds that it took in another process."""
        return 0.0

    def view_of(self, role: View) -> View:
        return self._engine.view_of(role)

    def speaker_of(self, role: View) -> View:
        return self._engine.speaker_of(role)

    def language(self, view: View) -> Language:
        return self._engine.language(view)

    def submit(self, request: Request) -> None:
        raise NotImplementedError("one turn at a time")

    def step(self) -> list[tuple[Request, Generation]]:
        raise NotImplementedError("one turn at a time")

    def release(self, episode: Hashable) -> None:
        """Do nothing: no state is kept for an episode."""

    def generate(self, request: Request) -> Generation:
        ids, evaluated = self._generate(request, self._grammars[request.view])
        words = self.language(request.view)
        ended = bool(ids) and ids[-1] in self._ends
        said = ids[:-1] if ended else ids
        return Generation(
            ids=tuple(said),
            text=words.decode(said),
            stop="eot" if ended or len(said) < request.max_tokens else "length",
            prompt_tokens=len(request.ids),
            reused=len(request.ids) - evaluated,
            evaluated=evaluated,
            decoded=len(said),
        )

    def _generate(self, request: Request, grammar: str | None) -> tuple[list[int], int]:
        """Return the ids of the turn and the number of prompt tokens evaluated for it."""
        raise NotImplementedError


def grammars(tools: Any) -> dict[View, str | None]:
    return {view: gbnf(view, tools) for view in ROLES}


class Server(Baseline):
    """llama-server with one slot per role; the request selects the adapter."""

    def __init__(self, engine: Engine, held: Mapping[View, str | None], port: int, process: int):
        super().__init__(engine, held)
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._process = process

    @property
    def elsewhere(self) -> float:
        # user and system time, the 14th and 15th field (proc_pid_stat(5)); a name may have spaces
        fields = Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _generate(self, request: Request, grammar: str | None) -> tuple[list[int], int]:
        at = ROLES.index(request.view)  # pyright: ignore[reportArgumentType]
        body: dict[str, Any] = {
            "prompt": list(request.ids),
            "n_predict": request.max_tokens,
            "temperature": 0,
            "id_slot": at,
            "cache_prompt": True,
            "return_tokens": True,
            "lora": [{"id": i, "scale": float(i == at)} for i in range(len(ROLES))],
        }
        if grammar is not None:
            body["grammar"] = grammar
        self._http.request("POST", "/completion", json.dumps(body), {"Content-Type": "text/json"})
        answer = json.loads(self._http.getresponse().read())
        if "tokens" not in answer:
            raise RuntimeError(f"llama-server: {answer}")
        return answer["tokens"], answer["timings"]["prompt_n"]


@contextmanager
def server(
    binary: Path,
    engine: Engine,
    held: Mapping[View, str | None],
    adapters: Mapping[View, Path],
    log: Path,
    flash: str,
) -> Iterator[Server]:
    """Run a llama-server while the context is open; `flash` attention is "on" or "off".

    Raises:
        UserError: the program is missing, or does not come up within two minutes.
    """
    if not binary.is_file():
        raise UserError(f"no llama-server at {binary}: benchmarks/llama_server.sh builds one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(binary), "-m", str(engine.base), "--host", "127.0.0.1", "--port", str(port)]
    command += ["-np", str(len(ROLES)), "-c", str(len(ROLES) * engine.n_ctx), "-fa", flash]
    command += ["-t", str(engine.threads), "-tb", str(engine.threads), "--lora-init-without-apply"]
    if not repacks():
        command.append("--no-repack")
    for role in ROLES:
        command += ["--lora", str(adapters[role])]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until_up(process, port, log)
        yield Server(engine, held, port, process.pid)
    finally:
        process.terminate()
        process.wait()


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a llama-server answers.

    Raises:
        UserError: it ended, or does not come up within two minutes.
    """
    for _ in range(12_000):
        if process.poll() is not None:
            ended = death(process.returncode, f"the server's model, its log is {log}")
            raise UserError(ended)
        try:
            probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            probe.request("GET", "/health")
            if probe.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise UserError(f"llama-server did not come up; its log is {log}")


class Llamas(Baseline):
    """One `Llama` of llama-cpp-python per role, with merged weights."""

    def __init__(
        self, engine: Engine, held: Mapping[View, str | None], models: Mapping[View, Path]
    ):
        super().__init__(engine, held)
        self._models = {view: _llama(path, engine) for view, path in models.items()}

    def _generate(self, request: Request, grammar: str | None) -> tuple[list[int], int]:
        return _say(self._models[request.view], request, grammar, self._ends)

    def close(self) -> None:
        for model in self._models.values():
            model.close()


class Reload(Baseline):
    """A `Llama` with the role's adapter, loaded again for each turn."""

    def __init__(
        self, engine: Engine, held: Mapping[View, str | None], adapters: Mapping[View, Path]
    ):
        super().__init__(engine, held)
        self._adapters = adapters

    def _generate(self, request: Request, grammar: str | None) -> tuple[list[int], int]:
        model = _llama(self.base, self._engine, lora_path=str(self._adapters[request.view]))
        try:
            return _say(model, request, grammar, self._ends)
        finally:
            model.close()


def _llama(path: Path, engine: Engine, **options: Any) -> Any:
    return plain_llama(
        model_path=str(path), n_ctx=engine.n_ctx, n_threads=engine.threads,
        n_threads_batch=engine.threads, flash_attn=False, verbose=False, **options,
    )  # fmt: skip


def _say(
    model: Any, request: Request, grammar: str | None, ends: Collection[int]
) -> tuple[list[int], int]:
    from llama_cpp import LlamaGrammar

    held = LlamaGrammar.from_string(grammar, verbose=False) if grammar else None
    kept = model._input_ids[: model.n_tokens].tolist()
    same = common_prefix(kept, request.ids)
    said: list[int] = []
    for token in model.generate(list(request.ids), temp=0.0, grammar=held):
        said.append(token)
        if token in ends or len(said) >= request.max_tokens:
            break
    return said, len(request.ids) - min(same, len(request.ids) - 1)
