"""What the order of questions is worth with the embedded model: prompt tokens from the cache, documents an hour.

The questions about some documents are recorded once, as a batch asks them. The same questions then are sent again in
four ways: a document at a time (as a batch does) or interleaved as they would arrive if all documents were under way
at once (the first question about every document, then the second, …), each with the shared beginnings put back before
every question (as the program does) and without. Each way has a server of its own, so that none finds what another
left in the prompt cache.

    python bench/batch/prompt_cache.py examples/harbour_*.txt -o /tmp/prompt_cache.json

It asks a real model for hours rather than minutes: five short news items are some hundred questions, four times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion

from summarise.documents import Document, read_path
from summarise.llm.capability import Capability
from summarise.llm.client import LanguageModel, Sampling
from summarise.llm.endpoint import open_model
from summarise.llm.memory import RememberingTransport
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.llm.usage import Meter
from summarise.pipeline import summarise_document
from summarise.settings import Settings

Request = Mapping[str, Any]


class Recording:
    """Answers of one document, none kept; every request that would be sent is written down."""

    def __init__(self, transport: Transport) -> None:
        self.requests: list[Request] = []
        self._transport = transport

    @property
    def endpoint(self) -> Endpoint:
        """Where the questions go."""
        return self._transport.endpoint

    @property
    def limits(self) -> Limits:
        """Bounds on one request."""
        return self._transport.limits

    async def close(self) -> None:
        """Nothing: the transport underneath is its owner's."""

    async def models(self) -> list[str]:
        """Names of the models the endpoint offers."""
        return await self._transport.models()

    def reasked(self, meter: Meter) -> None:
        """Count a re-ask."""
        self._transport.reasked(meter)

    async def chat(self, request: Request, capability: Capability, meter: Meter) -> ChatCompletion:
        """Write the request down and send it."""
        self.requests.append(dict(request))
        return await self._transport.chat(request, capability, meter)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending the questions."""

    name: str
    interleaved: bool
    put_back: bool


WAYS = (
    Way("a document at a time, beginnings put back (the program)", interleaved=False, put_back=True),
    Way("interleaved, beginnings put back", interleaved=True, put_back=True),
    Way("a document at a time, the server's own cache", interleaved=False, put_back=False),
    Way("interleaved, the server's own cache (arrival order)", interleaved=True, put_back=False),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way took."""

    way: str
    round: int
    documents: int
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float

    @property
    def row(self) -> str:
        """A line of the table."""
        share = self.cached_tokens / max(1, self.prompt_tokens)
        rate = self.documents / self.seconds * 3600
        computed = self.prompt_tokens - self.cached_tokens
        return f"| {self.way} | {self.requests} | {share:.1%} | {computed:,} | {self.seconds:.0f} | {rate:.1f} |"


async def record(documents: Sequence[Document], settings: Settings) -> list[list[Request]]:
    """The questions about each document, asked once in full."""
    found = []
    async with open_model(settings) as model:
        if isinstance(model.transport, RememberingTransport):
            raise TypeError("a model just opened remembers nothing")
        for document in documents:
            recording = Recording(model.transport)
            sampling = Sampling(settings.temperature, settings.seed, settings.reasks)
            # A recording stands where a transport does; it has the same interface.
            watched = LanguageModel(recording, sampling, model.capability)  # type: ignore[arg-type]
            await summarise_document(document, watched, settings)
            found.append(recording.requests)
            print(f"  {document.source}: {len(recording.requests)} questions", flush=True)
    return found


def ordered(asked: Sequence[Sequence[Request]], *, interleaved: bool) -> Iterator[Request]:
    """All questions, by document or taking one of each document in turn."""
    if not interleaved:
        for requests in asked:
            yield from requests
        return
    for turn in zip_longest(*asked):
        yield from (request for request in turn if request is not None)


async def send(asked: Sequence[Sequence[Request]], way: Way, settings: Settings, number: int) -> Outcome:
    """Send all questions in one way, to a server of its own."""
    async with open_model(settings) as model:
        own = model.transport
        transport = own if way.put_back else Transport(own.endpoint, own.limits)
        meter, requests = Meter(), list(ordered(asked, interleaved=way.interleaved))
        # The model's file is read from disk, and the first batch computed, before the clock starts.
        warming: Request = {
            "model": own.endpoint.model,
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 1,
        }
        warm = Transport(own.endpoint, own.limits)
        await warm.chat(warming, model.capability, Meter())
        await warm.close()
        began = time.monotonic()
        for request in requests:
            await transport.chat(request, model.capability, meter)
        seconds = time.monotonic() - began
        if transport is not own:
            await transport.close()
    return Outcome(
        way=way.name,
        round=number,
        documents=len(asked),
        requests=len(requests),
        prompt_tokens=meter.prompt_tokens,
        cached_tokens=meter.cached_tokens or 0,
        completion_tokens=meter.completion_tokens,
        seconds=seconds,
    )


async def measure(paths: Sequence[Path], rounds: int, output: Path) -> None:
    """Record, send again in every way in turn, and print the table as it grows."""
    settings = Settings()
    asked = await record([read_path(path) for path in paths], settings)
    print("| Way | Questions | Prompt tokens from the cache | Computed | Seconds | Documents/hour |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    outcomes: list[Outcome] = []
    for number in range(rounds):
        turn = number % len(WAYS)
        for way in (*WAYS[turn:], *WAYS[:turn]):
            outcomes.append(await send(asked, way, settings, number))
            print(outcomes[-1].row, flush=True)
            output.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("documents", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=1, help="another way is first in each")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON file of every single figure")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.documents, arguments.rounds, arguments.output))


if __name__ == "__main__":
    main()
