"""Runs of the batch for tests: documents that tell themselves apart, a server that answers by schema, a child process.

Invariant: a document's number stands in every sentence of it, so each request says whose it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from summarise.batch.events import BatchReport, Event
from summarise.batch.options import BatchOptions
from summarise.batch.run import asummarise_batch
from summarise.journal.journal import Journal
from summarise.llm.capability import Capability, CapabilityStore
from summarise.settings import Settings
from support.server import MODEL, ReceivedRequest, ScriptedServer, Step, completion, drop

_NUMBER = re.compile(r"Brook(\d+)")


def text_of(number: int, *, sentences: int = 1) -> str:
    """The text of one document."""
    body = " ".join(
        f"The mayor of Brook{number} said that bridge {line} of Brook{number} was safe." for line in range(sentences)
    )
    return f"News from Brook{number}\n\n{body}\n"


def write_documents(folder: Path, numbers: Iterable[int], *, sentences: int = 1) -> Path:
    """Files ``000.txt`` and so on; returns the folder."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"{number:03}.txt").write_text(text_of(number, sentences=sentences), encoding="utf-8")
    return folder


def number_in(request: ReceivedRequest) -> int | None:
    """Which document a request is about, None if about none, or if the sender died while sending."""
    if request.json is None:
        return None
    found = _NUMBER.search(" ".join(message["content"] or "" for message in request.json["messages"]))
    return int(found[1]) if found else None


def answering(request: ReceivedRequest) -> Step:
    """The right answer to whatever is asked."""
    if request.json is None:
        return drop()
    number = number_in(request)
    schema = request.json.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is None:
        return completion("yes")
    if schema.get("title") == "SingleAnswer":
        return completion(single_answer(number or 0))
    return completion(json.dumps(instance(schema, schema)))


def single_answer(number: int) -> dict[str, Any]:
    """What a good model says about a document of :func:`text_of`."""
    return {
        "actors": [{"name": f"The mayor of Brook{number}", "kind": "person", "role": "mayor"}],
        "claims": [
            {
                "s": 2,
                "who": f"The mayor of Brook{number}",
                "cue": "said",
                "says": f"bridge 0 of Brook{number} was safe",
                "pol": "asserts",
            }
        ],
        "stances": [],
        "abstract": f"The mayor of Brook{number} spoke of a bridge.",
    }


def instance(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one return a kind
    """The smallest value that fits a JSON Schema of the kinds pydantic writes."""
    if "$ref" in schema:
        return instance(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return instance(schema[choice][0], root)
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", ())
        return {name: instance(schema["properties"][name], root) for name in wanted}
    if kind == "array":
        return [instance(schema.get("items", {}), root)] * schema.get("minItems", 0)
    if kind == "string":
        return "x" * max(1, schema.get("minLength", 1))
    if kind == "boolean":
        return False
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return None


def settings_for(server: ScriptedServer | str, folder: Path, **values: Any) -> Settings:
    """Settings for this server that waste no time; what it can do is known already."""
    base_url = server if isinstance(server, str) else server.base_url
    cache = folder / "cache"
    CapabilityStore(cache).save(base_url, MODEL, Capability("json_schema"))
    quick = {"timeout": 5.0, "attempts": 2, "retry_seconds": 5.0, "reasks": 1}
    return Settings(base_url=base_url, model=MODEL, cache_dir=cache, **(quick | values))


def run_batch(
    inputs: Iterable[Path],
    output: Path,
    settings: Settings,
    *,
    events: list[Event] | None = None,
    listener: Callable[[Event], None] | None = None,
    **options: Any,
) -> BatchReport:
    """One batch, waited for; ``options`` as for :class:`BatchOptions`."""
    if events is not None:
        listener = events.append
    return asyncio.run(
        asummarise_batch(
            [str(path) for path in inputs],
            settings=settings,
            options=BatchOptions(output=output, **options),
            listener=listener,
        )
    )


def states(output: Path) -> dict[str, tuple[str, str | None]]:
    """Each document's state and cause, by the file's name."""
    with Journal.open(output, create=False, write=False) as journal:
        return {Path(row.source).name: (row.state, row.cause) for row in journal.documents()}


def records(output: Path) -> list[dict[str, Any]]:
    """The records in the results file, in order of source."""
    with Journal.open(output, create=False, write=False) as journal:
        return [json.loads(record) for record in journal.records()]


def batch_killed_at_commit(
    number: int, after: bool, inputs: list[str], output: str, settings: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """What a child process does: one batch that kills itself as SQLite is told to commit for the ``number``-th time,
    or, with ``after``, at the first statement after that commit."""
    opened, commits = Journal.open, 0

    def count(statement: str) -> None:
        nonlocal commits
        if commits == number:
            os.kill(os.getpid(), signal.SIGKILL)
        commits += statement == "COMMIT"
        if commits == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(path: Path, **how: bool) -> Journal:
        journal = opened(path, **how)
        journal._connection.set_trace_callback(count)
        return journal

    Journal.open = counted  # type: ignore[assignment,method-assign]  # the same class method, in this process only
    batch_in_child(inputs, output, settings, options)


def batch_in_child(inputs: list[str], output: str, settings: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """What a child process does: one batch."""
    report = run_batch([Path(one) for one in inputs], Path(output), Settings(**settings), **options)
    raise SystemExit(report.exit_code)
