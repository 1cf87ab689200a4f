"""A small HTTP server that plays a script of answers and faults: all that a model server can do wrong.

Also a pytest plugin: it gives the fixture :func:`scripted_server`.

Invariants:

- it listens on 127.0.0.1 on a free port and answers one request to a connection (``Connection: close``);
- each request other than ``GET …/models`` takes the next step of the script, in order of arrival; a request
  after the last step gets a 500 whose message says so and counts as unexpected;
- leaving the context wakes whatever sleeps or hangs, closes every socket and joins every thread, within a
  second.

The bodies of errors are those that servers send: llama.cpp's seen on the wire (November 2026), the others
as their documentation and issue trackers quote them. They are unit-test stubs, so they live here and not in
cassettes.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import pytest

JSON_TYPE = "application/json"
MODEL = "scripted-model"


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it arrived.

    Names of headers are in lower case, ``json`` is the parsed body or None, ``received_at`` is monotonic.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: Any
    received_at: float


@dataclass(frozen=True)
class Step:
    """One thing the server does with one request."""

    name: str
    perform: Callable[[Exchange], None] = field(repr=False)


Script = Sequence[Step] | Callable[[ReceivedRequest], Step]


class Exchange:
    """One request being answered: what a step may do with the connection."""

    def __init__(self, handler: _Handler, request: ReceivedRequest) -> None:
        self.request = request
        self._handler = handler

    def send(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = JSON_TYPE,
        headers: Mapping[str, str] | None = None,
        declared_length: int | None = None,
    ) -> None:
        """Send an answer; ``declared_length`` is what Content-Length says where that is not the truth."""
        handler = self._handler
        handler.send_response(status)
        length = len(body) if declared_length is None else declared_length
        all_headers = {"Content-Type": content_type, "Content-Length": str(length), "Connection": "close"}
        for name, value in (all_headers | dict(headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        self.write(body)

    def write(self, data: bytes) -> None:
        """Send raw bytes at once."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def wait(self, seconds: float) -> bool:
        """Sleep; False if the server was stopped meanwhile and the step should end."""
        return not self._handler.server.owner.stopping.wait(seconds)

    def reset(self) -> None:
        """Make closing the connection send a reset instead of an orderly end."""
        linger = struct.pack("ii", 1, 0)
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.server.to_reset.add(connection)


# Steps: answers


def answer(value: Any, *, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Step:
    """Answer with this JSON value."""
    body = json.dumps(value).encode()
    return Step(f"answer {status_code}", lambda exchange: exchange.send(status_code, body, headers=headers))


def completion_body(
    content: str | None,
    *,
    finish_reason: str | None = "stop",
    usage: tuple[int, int] | None = (11, 7),
    model: str = MODEL,
    **message: Any,
) -> dict[str, Any]:
    """A chat completion; ``usage`` is (prompt tokens, completion tokens); other keywords join the message."""
    body: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
    }
    if usage is not None:
        prompt, produced = usage
        body["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": produced,
            "total_tokens": prompt + produced,
        }
    return body


def completion(content: str | Mapping[str, Any] | list[Any] | None, **options: Any) -> Step:
    """Answer with a chat completion; a mapping or list becomes JSON text. Options: `completion_body`."""
    text = content if content is None or isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return answer(completion_body(text, **options))


def tool_call(name: str, arguments: str, *, call_id: str = "call_1") -> Step:
    """Answer with one call of a tool."""
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return completion(None, finish_reason="tool_calls", tool_calls=[call])


def refusal(text: str = "I can't help with that.") -> Step:
    """The model declines, in the field that OpenAI's structured outputs use."""
    return completion(None, refusal=text)


def content_filter() -> Step:
    """A completion that the server's filter cut off."""
    return completion("", finish_reason="content_filter")


def no_choices() -> Step:
    """A 200 whose ``choices`` is null, as some gateways send instead of an error."""
    return answer({**completion_body(""), "choices": None})


# Steps: refusals by the server


def status(
    code: int,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    retry_after: float | str | None = None,
) -> Step:
    """Answer with this status; ``retry_after`` is seconds or a header value (:func:`http_date`)."""
    all_headers = dict(headers or {})
    if retry_after is not None:
        all_headers["Retry-After"] = str(retry_after)
    error = {"message": f"scripted status {code}", "type": "scripted_error", "param": None, "code": None}
    return answer(body if body is not None else {"error": error}, status_code=code, headers=all_headers)


def http_date(seconds_from_now: float) -> str:
    """The HTTP date so many seconds from now, the other form of Retry-After."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds_from_now), usegmt=True)


def _openai_error(message: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _numbered_error(message: str, kind: str, code: int, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": kind, **more}}


def context_length_exceeded(server: str = "openai") -> Step:
    """400: the prompt is longer than the context. ``server``: openai, llama.cpp or vllm."""
    bodies = {
        "openai": _openai_error(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 12030 "
            "tokens. Please reduce the length of the messages.",
            "invalid_request_error",
            "messages",
            "context_length_exceeded",
        ),
        "llama.cpp": _numbered_error(
            "request (12030 tokens) exceeds the available context size (8192 tokens), try increasing it",
            "exceed_context_size_error",
            400,
            n_prompt_tokens=12030,
            n_ctx=8192,
        ),
        "vllm": _numbered_error(
            "This model's maximum context length is 8192 tokens. However, you requested 12030 tokens in the "
            "messages, Please reduce the length of the messages.",
            "BadRequestError",
            400,
            param=None,
        ),
    }
    return status(400, body=bodies[server])


def model_not_found(server: str = "openai", *, model: str = "missing") -> Step:
    """404: the server has no such model. ``server``: openai, vllm or ollama."""
    bodies = {
        "openai": _openai_error(
            f"The model `{model}` does not exist or you do not have access to it.",
            "invalid_request_error",
            None,
            "model_not_found",
        ),
        "vllm": _numbered_error(f"The model `{model}` does not exist.", "NotFoundError", 404, param="model"),
        "ollama": _openai_error(f'model "{model}" not found, try pulling it first', "api_error", None, None),
    }
    return status(404, body=bodies[server])


def invalid_key(server: str = "openai") -> Step:
    """401: the key is wrong. ``server``: openai, llama.cpp or vllm."""
    bodies = {
        "openai": _openai_error(
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            None,
            "invalid_api_key",
        ),
        "llama.cpp": _numbered_error("Invalid API Key", "authentication_error", 401),
        "vllm": {"error": "Unauthorized"},
    }
    return status(401, body=bodies[server])


def json_schema_unsupported(server: str = "openai") -> Step:
    """400: json_schema is refused. ``server``: openai, deepseek, groq, llama.cpp, old llama.cpp or plain."""
    bodies = {
        "openai": _openai_error(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. "
            "Learn more about supported models at the Structured Outputs guide: "
            "https://platform.openai.com/docs/guides/structured-outputs",
            "invalid_request_error",
            None,
            None,
        ),
        "deepseek": _openai_error(
            "This response_format type is unavailable now",
            "invalid_request_error",
            None,
            "invalid_request_error",
        ),
        "groq": _openai_error(
            "This model does not support response format `json_schema`. See supported models at "
            "https://console.groq.com/docs/structured-outputs#supported-models",
            "invalid_request_error",
            "response_format",
            None,
        ),
        "llama.cpp": _numbered_error(
            "Unable to generate parser for this template. Automatic parser generation failed: JSON schema "
            "error at #: unrecognized type wobble",
            "invalid_request_error",
            400,
        ),
        # A server that knows only the older mode, and one whose error is a bare string.
        "old llama.cpp": _numbered_error(
            'response_format type must be one of "text" or "json_object", but got: json_schema',
            "invalid_request_error",
            400,
        ),
        "plain": {"error": "'response_format.type' must be 'text'"},
    }
    return status(400, body=bodies[server])


# Steps: faults on the wire


def drop(*, reset: bool = False) -> Step:
    """Close the connection without answering; with ``reset``, not even in an orderly way."""

    def perform(exchange: Exchange) -> None:
        if reset:
            exchange.reset()

    return Step("drop", perform)


def half(body: Any, n_bytes: int) -> Step:
    """Announce the whole body, send its first ``n_bytes``, close."""
    data = json.dumps(body).encode()

    def perform(exchange: Exchange) -> None:
        exchange.send(200, data[:n_bytes], declared_length=len(data))

    return Step(f"half ({n_bytes} bytes)", perform)


def invalid_json(text: str = '{"id": "chatcmpl-scripted", "choices": [') -> Step:
    """A 200 that calls itself JSON and is not."""
    return Step("invalid JSON", lambda exchange: exchange.send(200, text.encode()))


def wrong_content_type(html: str = "<!doctype html><title>Sign in</title>") -> Step:
    """A 200 with a web page, as a captive portal or a proxy's login sends."""
    return Step("web page", lambda exchange: exchange.send(200, html.encode(), content_type="text/html"))


def drip(body: Any, seconds_per_chunk: float, *, chunk_bytes: int = 16) -> Step:
    """Send the answer a few bytes at a time: each read is in time, so only a limit on the call helps."""
    data = json.dumps(body).encode()

    def perform(exchange: Exchange) -> None:
        exchange.send(200, b"", declared_length=len(data))
        for start in range(0, len(data), chunk_bytes):
            if not exchange.wait(seconds_per_chunk):
                return
            exchange.write(data[start : start + chunk_bytes])

    return Step("drip", perform)


def delay(seconds: float, then: Step) -> Step:
    """Wait, then do ``then``."""

    def perform(exchange: Exchange) -> None:
        if exchange.wait(seconds):
            then.perform(exchange)

    return Step(f"wait {seconds} s, then {then.name}", perform)


def hang(seconds: float = 60) -> Step:
    """Read the request, say nothing for so long, then close."""
    return delay(seconds, drop())


# The server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        # The client going away mid-answer is what half of the tests are about.
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with suppress(ConnectionError):
            super().finish()

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = ReceivedRequest(self.command, self.path, headers, body, parsed, time.monotonic())
        owner = self.server.owner
        step = owner.take(request)
        try:
            step.perform(Exchange(self, request))
        finally:
            owner.leave(request)

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server asks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the requests are kept for the test to read."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, owner: ScriptedServer) -> None:
        self.owner = owner
        self.to_reset: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without http.server's look-up of the host's name, which can take seconds off line."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        if request in self.to_reset:  # the orderly shutdown would come before the reset
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.owner.note_error()
        super().handle_error(request, client_address)

    def wake_all(self) -> None:
        """Make every read and write on an open connection return."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class ScriptedServer:
    """An OpenAI-compatible server that plays a script; a context manager.

    ``script`` is a sequence of steps, one to a request, or a function of the request. ``models`` answers
    ``GET /v1/models``: ids, or a step. With ``play_all`` leaving the context without an exception asserts
    that every step was played and no request was one too many.
    """

    def __init__(
        self,
        script: Script,
        *,
        models: Sequence[str] | Step = (MODEL,),
        play_all: bool = False,
    ) -> None:
        self.requests: list[ReceivedRequest] = []
        self.unexpected: list[ReceivedRequest] = []
        self.peak_in_flight = 0
        self.stopping = threading.Event()
        self._script = script
        self._models = models if isinstance(models, Step) else _model_list(models)
        self._play_all = play_all
        self._played = 0
        self._in_flight: set[int] = set()
        self._errors = 0
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:<port>/v1``."""
        if self._server is None:
            raise RuntimeError("Enter the server's context first.")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def completions(self) -> list[ReceivedRequest]:
        """The requests that took a step of the script, in order of arrival."""
        return [request for request in self.requests if not _asks_models(request)]

    def __enter__(self) -> ScriptedServer:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="scripted-server")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None and self._play_all:
            self.assert_played()

    def close(self) -> None:
        """Stop: wake what waits, close every socket, join every thread. Closing again does nothing."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.wake_all()
        self._server.server_close()
        self._server = self._thread = None

    def assert_played(self) -> None:
        """Assert that the script was played to its end, and no further."""
        steps = [] if callable(self._script) else list(self._script)
        left = [step.name for step in steps[self._played :]]
        assert not left, f"{len(left)} of {len(steps)} steps were not played: {', '.join(left)}"
        assert not self.unexpected, f"{len(self.unexpected)} requests came after the last of {len(steps)} steps"
        assert not self._errors, f"{self._errors} steps raised an error; the traceback is on standard error"

    def take(self, request: ReceivedRequest) -> Step:
        """The step for this request (called by the server's threads)."""
        with self._lock:
            self.requests.append(request)
            if _asks_models(request):
                return self._models
            self._in_flight.add(id(request))
            self.peak_in_flight = max(self.peak_in_flight, len(self._in_flight))
            if callable(self._script):
                return self._script(request)
            self._played += 1
            if self._played <= len(self._script):
                return self._script[self._played - 1]
            self.unexpected.append(request)
        message = f"The script has only {len(self._script)} steps; this is request {self._played}."
        return status(500, body=_openai_error(message, "script_over", None, None))

    def leave(self, request: ReceivedRequest) -> None:
        """Note that a request has been dealt with (called by the server's threads)."""
        with self._lock:
            self._in_flight.discard(id(request))

    def note_error(self) -> None:
        """Note that a step raised (called by the server's threads)."""
        with self._lock:
            self._errors += 1


def _asks_models(request: ReceivedRequest) -> bool:
    return request.method == "GET" and request.path.rstrip("/").endswith("/models")


def _model_list(ids: Sequence[str]) -> Step:
    data = [{"id": one, "object": "model", "created": 1700000000, "owned_by": "scripted"} for one in ids]
    return answer({"object": "list", "data": data})


@pytest.fixture
def scripted_server() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers: ``server = scripted_server([completion("Hello")])``. They stop with the test.

    Options as for :class:`ScriptedServer`; ``play_all`` is checked when the test ends.
    """
    started: list[ScriptedServer] = []

    def start(script: Script, **options: Any) -> ScriptedServer:
        server = ScriptedServer(script, **options)
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.close()
    for server in started:
        server.__exit__(None)
