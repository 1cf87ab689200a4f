"""The embedded server's computed prompt beginnings, kept on disk and put back before every question.

All questions of a kind share their instructions and worked examples. Computing them takes seconds; putting the computed
state back takes milliseconds (docs/performance.md). So each is computed once on a machine and kept in the cache folder,
about 28 kB a token for the default model.

Invariant: before every question the server holds exactly the shared beginning, whatever it was asked before. The
arithmetic of a question is then always cut into the same batches, and its answer at temperature 0 depends on the
question alone: the server's own prompt cache, which keeps as much of the last prompt as happens to agree, rounds
differently from one history to the next.

Source of the method: the slot actions ``save``, ``restore`` and ``erase`` of llama.cpp's server.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import openai
from openai.types.chat import ChatCompletion

from summarise.llm.capability import Capability
from summarise.llm.transport import Transport
from summarise.llm.usage import Meter

KEPT: Final = 32
"""Files kept in the folder; the ones used least recently go. One recipe has at most five."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Where the beginnings are kept (the folder the server was started with), and what tells this model, engine and
    context from any other: a state computed by one cannot be put back into another."""

    folder: Path
    identity: str


def prefixes_of(folder: Path, model_path: Path, engine: str) -> Prefixes | None:
    """The prefixes of one model file and engine; None where the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = model_path.stat()
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    return Prefixes(folder, f"{model_path.name} {known.st_size} {known.st_mtime_ns} {engine}")


class PrefixedTransport(Transport):
    """Sends questions to the embedded server, one at a time, each after its shared beginning has been put back."""

    def __init__(self, *endpoint_and_limits: Any, prefixes: Prefixes | None, **more: Any) -> None:
        super().__init__(*endpoint_and_limits, **more)
        self._prefixes = prefixes
        self._one_at_a_time = asyncio.Lock()

    async def chat(self, request: Mapping[str, Any], capability: Capability, meter: Meter) -> ChatCompletion:
        """Send one chat request (see :meth:`Transport.chat`)."""
        async with self._one_at_a_time:
            await self._prepare(request, capability)
            return await super().chat(request, capability, meter)

    async def _prepare(self, request: Mapping[str, Any], capability: Capability) -> None:
        """Bring the server's only slot into the state in which it has read the shared beginning and nothing else."""
        first = request["messages"][0]
        if self._prefixes is None:
            return
        if first["role"] != "system":
            await self._slot("erase")
            return
        folder = self._prefixes.folder
        name = hashlib.sha256(f"{self._prefixes.identity}\0{first['content']}".encode()).hexdigest()[:32] + ".bin"
        path = folder / name
        if path.exists() and await self._slot("restore", name):
            path.touch()
            return
        await self._slot("erase")
        # The beginning is computed with an empty question behind it; what the two share is what is kept in the end.
        opening = {**request, "messages": [first, {"role": "user", "content": ""}], "max_tokens": 1}
        for unneeded in ("logprobs", "top_logprobs", "response_format"):
            opening.pop(unneeded, None)
        await super().chat(opening, capability, Meter())
        unfinished = f"{name}.{os.getpid()}"
        if await self._slot("save", unfinished):
            (folder / unfinished).replace(path)
            _forget_oldest(folder)

    async def _slot(self, action: str, filename: str | None = None) -> bool:
        """Whether the server did it. A state that cannot be kept or put back costs time and nothing else."""
        address = f"{self.endpoint.base_url.removesuffix('/v1')}/slots/0?action={action}"
        body = {} if filename is None else {"filename": filename}
        try:
            await self._client.post(address, cast_to=object, body=body)
        except openai.APIStatusError as error:
            _log.debug("slot action %s was refused with HTTP %s", action, error.status_code)
            return False
        return True


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.bin"), key=lambda path: path.stat().st_mtime)
    for path in files[:-KEPT]:
        path.unlink(missing_ok=True)
