"""Running tools over marked documents: one worker process each, one document at a time, resumable.

A tool is a module with a function ``open_tool(options)`` that returns a function from a document to a
record. It works in a process of its own, so that a document that takes too long can be stopped with
its request: the connection closes, and the server stops answering it. Loading the libraries is not
timed.

``OUT.jsonl`` gets the records, one a line; ``OUT.failed.jsonl`` one line for every document that failed:
its id, the kinds of the errors (never their messages, which may quote the document), seconds and tokens.
What stands in either file is not run again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from counting import COUNTER
from summarise.schemas import Record

from summarise.documents import Document, from_text
from summarise.gold import GoldDocument, load_gold

READY_SECONDS = 120.0
"""Longest wait for a worker to load its libraries."""
EXIT_ENDPOINT = 4

Reader = Callable[[Document], Record]


@dataclass(frozen=True, slots=True)
class Options:
    """What every tool is told. ``context`` is the server's context of one request, tokens."""

    base_url: str
    model: str
    timeout: float
    context: int
    strategy: str = "auto"
    embedded: bool = False
    max_tokens: int = 4096
    chunk_max_tokens: int = 2048
    max_char_buffer: int = 1000
    workers: int = 1

    @property
    def api_key(self) -> str:
        """The endpoint's key, from OPENAI_API_KEY; servers at home take any."""
        return os.environ.get("OPENAI_API_KEY") or "none"


@dataclass(frozen=True, slots=True)
class Failure:
    """A document without a record. Tokens are None where the worker had to be stopped."""

    id: str
    error: str
    seconds: float
    prompt_tokens: int | None
    completion_tokens: int | None


class Worker:
    """One tool in a process of its own; started when first needed, and again after it was stopped."""

    def __init__(self, tool: str, options: Options) -> None:
        self._tool = tool
        self._options = options
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> Connection:
        """Load the tool's libraries, unless they are; returns the line to the worker."""
        if self._connection is not None:
            return self._connection
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._tool, self._options, other), daemon=True)
        self._process.start()
        other.close()
        if not self._connection.poll(READY_SECONDS) or _received(self._connection) != "ready":
            self.stop()
            sys.exit(f"{self._tool}: the tool did not start; see the message above and requirements.txt")
        return self._connection

    def read(self, document: GoldDocument) -> Record | Failure:
        """The record of one document, or why there is none."""
        connection = self.start()
        began = time.monotonic()
        connection.send((document.stem, document.text))
        answer = _received(connection) if connection.poll(self._options.timeout) else "timeout"
        seconds = round(time.monotonic() - began, 3)
        if isinstance(answer, str):
            self.stop()
            return Failure(document.id, answer, seconds, None, None)
        kind, value = answer
        return Record.model_validate_json(value) if kind == "record" else Failure(document.id, **value)

    def stop(self, *, patience: float = 0.0) -> None:
        """End the worker: at once, or when it is done putting things away, within ``patience`` seconds."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(patience)
            self._process.kill()
            self._process.join()
        self._process = self._connection = None


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        return "worker ended"


def _serve(tool: str, options: Options, connection: Connection) -> None:
    """The worker: documents in, records or failures out, until the line closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness stops its workers itself
    COUNTER.install()
    read: Reader = importlib.import_module(tool).open_tool(options)
    connection.send("ready")
    while True:
        try:
            stem, text = connection.recv()
        except EOFError:
            return
        COUNTER.restart()
        began = time.monotonic()
        try:
            answer: tuple[str, Any] = ("record", read(from_text(text, source=f"{stem}.txt")).as_json())
        except Exception as error:  # noqa: BLE001 - whatever a tool raises, the document has failed
            seconds = round(time.monotonic() - began, 3)
            spent = COUNTER.spent
            failure = Failure("", _kinds(error), seconds, spent.prompt_tokens, spent.completion_tokens)
            answer = ("failure", {key: value for key, value in asdict(failure).items() if key != "id"})
        connection.send(answer)


def _kinds(error: BaseException) -> str:
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 8:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return " < ".join(kinds)


class Results:
    """The two files of one tool's results."""

    def __init__(self, path: Path, model: str | None = None) -> None:
        self.records: dict[str, Record] = {}
        self.failures: dict[str, Failure] = {}
        self._path = path
        self._failed = path.with_suffix(".failed.jsonl")
        for line in _whole_lines(path):
            record = Record.model_validate_json(line)
            if model is not None and record.run.model != model:
                sys.exit(f"{path}: holds records of {record.run.model}, not of {model}; choose another -o")
            self.records[Path(record.document.source).stem] = record
        for line in _whole_lines(self._failed):
            failure = Failure(**json.loads(line))
            self.failures[failure.id] = failure

    def has(self, document: GoldDocument) -> bool:
        """Whether the document was run, with or without a record."""
        return document.stem in self.records or document.id in self.failures

    def add(self, document: GoldDocument, result: Record | Failure) -> None:
        """Keep one result, at once on disk."""
        if isinstance(result, Record):
            self.records[document.stem] = result
            path, line = self._path, result.as_json()
        else:
            self.failures[document.id] = result
            path, line = self._failed, json.dumps(asdict(result))
        with path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def _whole_lines(path: Path) -> list[str]:
    """The lines of a file of ours; a last line that was cut by an interruption is taken away."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return whole.decode("utf-8").splitlines()


def run(tools: dict[str, tuple[str, Path]], documents: Sequence[GoldDocument], options: Options) -> None:
    """Run tools (name: module and file of results) over documents, in turn on each document.

    The tool that goes first changes from document to document, so that none always meets a rested or a
    busy machine.
    """
    check_server(options.base_url, options.api_key)
    results = {name: Results(path, options.model) for name, (_, path) in tools.items()}
    workers = {name: Worker(module, options) for name, (module, _) in tools.items()}
    try:
        for worker in workers.values():
            worker.start()
        warm_up(options)
        for number, document in enumerate(documents):
            for name in _rotated(list(tools), number):
                if results[name].has(document):
                    continue
                result = workers[name].read(document)
                if isinstance(result, Failure):
                    check_server(options.base_url, options.api_key)  # a server that is gone fails no document
                results[name].add(document, result)
                print(f"{number + 1}/{len(documents)} {document.id} {name}: {_said(result)}", file=sys.stderr)
    finally:
        for worker in workers.values():
            worker.stop(patience=5.0)


def _rotated(names: list[str], by: int) -> Iterator[str]:
    turn = by % len(names)
    yield from names[turn:] + names[:turn]


def _said(result: Record | Failure) -> str:
    if isinstance(result, Failure):
        return f"FAILED ({result.error}) after {result.seconds:.0f} s"
    rows = f"{len(result.actors)} actors, {len(result.claims)} claims, {len(result.stances)} stances"
    return f"{rows} in {result.run.seconds:.1f} s"


def check_server(base_url: str, api_key: str) -> None:
    """Make sure that somebody answers at the endpoint; otherwise end, with what to do."""
    request = urllib.request.Request(f"{base_url}/models", headers={"Authorization": f"Bearer {api_key}"})
    try:
        with urllib.request.urlopen(request, timeout=60):
            return
    except OSError as error:
        print(f"{base_url}: no answer ({type(error).__name__}); start the server and run again", file=sys.stderr)
        sys.exit(EXIT_ENDPOINT)


def warm_up(options: Options) -> None:
    """Ask for one word, untimed: the first request finds the model's file not yet read from disk."""
    body = {"model": options.model, "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 1}
    headers = {"Authorization": f"Bearer {options.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{options.base_url}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=options.timeout):
            return
    except OSError as error:
        print(f"{options.base_url}: no answer to a request ({error}); check --model", file=sys.stderr)
        sys.exit(EXIT_ENDPOINT)


def parser(description: str) -> argparse.ArgumentParser:
    """The options every script here takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--gold", type=Path, required=True, help="marked documents, one JSON object a line")
    parser.add_argument("--base-url", required=True, help="address of the OpenAI-compatible endpoint, up to /v1")
    parser.add_argument("--model", required=True, help="name of the model at the endpoint")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N documents")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the records go; kept and continued")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds after which a document has failed")
    parser.add_argument("--context", type=int, default=8192, help="the server's context, tokens")
    parser.add_argument("--max-tokens", type=int, default=4096, help="one_shot: cap on the answer, tokens")
    parser.add_argument("--chunk-max-tokens", type=int, default=2048, help="langextract: cap on the answer to a chunk")
    parser.add_argument("--max-char-buffer", type=int, default=1000, help="langextract: characters of a chunk")
    parser.add_argument("--embedded", action="store_true", help="summarise: its own engine with the same model file")
    parser.add_argument("--workers", type=int, default=1, help="langextract: requests at a time; the server's slots")
    return parser


def options_of(arguments: argparse.Namespace) -> Options:
    """The options for the tools, from a parsed command line."""
    return Options(
        base_url=arguments.base_url.rstrip("/"),
        model=arguments.model,
        timeout=arguments.timeout,
        context=arguments.context,
        strategy=getattr(arguments, "strategy", "auto"),
        embedded=arguments.embedded,
        max_tokens=arguments.max_tokens,
        chunk_max_tokens=arguments.chunk_max_tokens,
        max_char_buffer=arguments.max_char_buffer,
        workers=arguments.workers,
    )


def main(tool: str, description: str) -> None:
    """The command line of one tool alone."""
    arguments = parser(description).parse_args()
    documents = load_gold(arguments.gold)[: arguments.limit]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    run({tool: (tool, arguments.output)}, documents, options_of(arguments))
