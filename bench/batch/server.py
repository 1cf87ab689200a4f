"""An OpenAI-compatible server that gives every request the same right answer after a fixed time.

It runs in a process of its own and does as little as it can for a request, so that what a measurement finds is the
client: HTTP/1.1 with keep-alive is parsed by hand, the answers are bytes made once, and no framework is involved.

Invariant: an answer leaves ``delay`` seconds after the last byte of its request arrived, not earlier. The counts are
of whole requests received, and never reset by themselves.

    python bench/batch/server.py --delay 0.2 --port 8104

Beside ``POST /v1/chat/completions`` and ``GET /v1/models`` it knows ``GET /bench/counts`` and
``POST /bench/restart?delay=SECONDS``, which begins new counts.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
from typing import Any

from corpus import ANSWER, EXTRACTIONS

MODEL = "bench-model"
_PROBE_MARK, _EXTRACTIONS_MARK = b"teal-7", b"extractions"
_END_OF_HEAD = b"\r\n\r\n"


def _http(body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _completion(answer: Any) -> bytes:
    content = json.dumps(answer)
    message = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    usage = {
        "prompt_tokens": 1100,
        "completion_tokens": len(content) // 4,
        "total_tokens": 1100 + len(content) // 4,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    }
    return _http(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1700000000,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": usage,
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        }
    )


SINGLE = _completion(ANSWER)
LANGEXTRACT = _completion({"extractions": EXTRACTIONS})
PROBE = _completion({"colour": "teal-7"})
MODELS = _http({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}]})


class Counts:
    """What has been asked since the last restart. Times are of the event loop's clock, in seconds."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.chats = 0
        self.probes = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.first: float | None = None
        self.last = 0.0
        self._cpu = _cpu_seconds()

    def as_dict(self) -> dict[str, Any]:
        """The counts, when the first request came and the last answer left, and the server's own CPU seconds."""
        return {
            "delay": self.delay,
            "chats": self.chats,
            "probes": self.probes,
            "most_in_flight": self.most_in_flight,
            "connections": self.connections,
            "first": self.first,
            "last": self.last,
            "cpu_seconds": _cpu_seconds() - self._cpu,
        }


class Service:
    """The counts that all connections share; replaced by a restart."""

    def __init__(self, delay: float) -> None:
        self.counts = Counts(delay)


class Connection(asyncio.Protocol):
    """One connection of a client; requests on it come one after the other."""

    __slots__ = ("_loop", "_service", "_transport", "_unread")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._unread = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a stream's transport writes
        self._service.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; keep the rest."""
        if self._unread:
            data = self._unread + data
        while True:
            end = data.find(_END_OF_HEAD)
            if end < 0:
                break
            head = data[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 : at + 30].split(b"\r", 1)[0]) if at >= 0 else 0
            whole = end + 4 + length
            if len(data) < whole:
                break
            self._answer(data[: data.index(b"\r\n")], data[end + 4 : whole])
            data = data[whole:]
        self._unread = data

    def _answer(self, line: bytes, body: bytes) -> None:
        if line.startswith(b"POST /v1/chat/completions"):
            self._chat(body)
        elif line.startswith(b"GET /v1/models"):
            self._transport.write(MODELS)
        elif line.startswith(b"GET /bench/counts"):
            self._transport.write(_http(self._service.counts.as_dict()))
        elif line.startswith(b"POST /bench/restart?delay="):
            self._service.counts = Counts(float(line.split(b"=", 1)[1].split(b" ", 1)[0]))
            gc.collect()
            self._transport.write(_http({}))
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    def _chat(self, body: bytes) -> None:
        counts = self._service.counts
        answer = SINGLE
        if _PROBE_MARK in body:
            counts.probes += 1
            answer = PROBE
        else:
            counts.chats += 1
            if counts.first is None:
                counts.first = self._loop.time()
            if _EXTRACTIONS_MARK in body:
                answer = LANGEXTRACT
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        self._loop.call_later(counts.delay, self._send, counts, answer)

    def _send(self, counts: Counts, answer: bytes) -> None:
        counts.in_flight -= 1
        counts.last = self._loop.time()
        if not self._transport.is_closing():
            self._transport.write(answer)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


async def serve(port: int, delay: float) -> None:
    """Serve until the process is told to end; prints the port first, for whoever started it."""
    service = Service(delay)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    server.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds from a request to its answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.delay))


if __name__ == "__main__":
    main()
