"""A server for provider batches: files, batches and chat completions, with a plan of what goes wrong.

It follows OpenAI's published description of ``/v1/files`` and ``/v1/batches`` (the types of the installed
``openai`` package are generated from it, and a test holds this server's objects against them).

Invariants:

- it listens on 127.0.0.1 on a free port, answers one request to a connection, and keeps every call;
- a batch moves one step each time it is looked at: validating, in_progress, finalizing, then its end;
- what a batch answers is charged once for each request it answers with status 200 (``charged``), as a
  provider would, and never on validation errors.
"""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from support.server import MODEL, completion_body

WINDOW = 24 * 3600
ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions")
TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})
MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000

Answer = Callable[[Mapping[str, Any]], "Mapping[str, Any] | Reply"]
"""What the model says to a request's body: a completion, or a reply with a status of its own."""
Fate = Literal["answered", "expired", "cancelled", "missing"]


@dataclass(frozen=True)
class Reply:
    """The answer to one request of a batch: an HTTP status and its JSON body."""

    status: int
    body: Mapping[str, Any]


def error_reply(status: int, message: str, *, code: str | None = None, kind: str = "invalid_request_error") -> Reply:
    """A reply in the form of the API's errors."""
    return Reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


@dataclass(frozen=True)
class Plan:
    """How one batch goes. ``fate`` gets the place of a request in the file and the parsed line."""

    end: Literal["completed", "failed", "expired", "cancelled"] = "completed"
    fate: Callable[[int, Mapping[str, Any]], Fate] = lambda _place, _line: "answered"
    errors: Sequence[Mapping[str, Any]] = ()
    order: Literal["as given", "reversed", "shuffled"] = "as given"
    twice: bool = False  # every line of the output comes twice, the second one with other words
    strangers: int = 0  # lines about requests that nobody made
    broken_lines: int = 0  # lines that are not JSON
    held: bool = False  # stays in_progress until `release`


@dataclass
class Fault:
    """The next ``times`` calls that match fail. ``pattern`` is searched in ``"METHOD /path"``.

    ``how``: a status to answer with; "drop" before reading the body to its end; "lose" = do the work, then
    drop the connection instead of answering; "half" = half of the answer's bytes.
    """

    pattern: str
    how: int | Literal["drop", "lose", "half"]
    times: int = 1


@dataclass
class StoredFile:
    """An uploaded or produced file."""

    about: dict[str, Any]
    content: bytes


@dataclass
class StoredBatch:
    """A batch and how it is to go."""

    about: dict[str, Any]
    plan: Plan
    lines: list[Mapping[str, Any]] = field(default_factory=list)


class BatchServer:
    """A context manager; ``plans`` are taken by batches in order of their creation, then all goes well."""

    def __init__(self, answer: Answer, *, plans: Sequence[Plan] = (), model: str = MODEL) -> None:
        self.model = model
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, StoredBatch] = {}
        self.calls: list[str] = []
        self.live: list[Mapping[str, Any]] = []
        self.charged: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.after: Callable[[str], None] = lambda _call: None  # told of a call after it was carried out
        self._answer = answer
        self._plans = list(plans)
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._numbers = 0

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:<port>/v1``."""
        assert self._server is not None, "Enter the server's context first."
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def count(self, pattern: str) -> int:
        """How many calls matched."""
        return sum(bool(re.search(pattern, call)) for call in self.calls)

    @property
    def uploads(self) -> int:
        """Files uploaded whole."""
        return sum(stored.about["purpose"] == "batch" for stored in self.files.values())

    def release(self) -> None:
        """Let held batches go on."""
        with self._lock:
            for stored in self.batches.values():
                stored.plan = Plan(**{**vars(stored.plan), "held": False})

    def __enter__(self) -> BatchServer:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="batch-server")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # The API, one method to an operation; each returns (status, JSON value or bytes).

    def handle(self, method: str, target: str, body: bytes, content_type: str) -> tuple[int, Any]:
        """Answer one call."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        root, *rest = parts.path.removeprefix("/v1").strip("/").split("/")
        with self._lock:
            answered = None
            if root == "files":
                answered = self._upload(body, content_type) if (method, rest) == ("POST", []) else None
                answered = answered or self._on_files(method, rest, query)
            elif root == "batches":
                answered = self._create(json.loads(body)) if (method, rest) == ("POST", []) else None
                answered = answered or self._on_batches(method, rest, query)
            elif (method, root, rest) == ("POST", "chat", ["completions"]):
                answered = self._chat(json.loads(body))
            elif (method, root) == ("GET", "models"):
                one = {"id": self.model, "object": "model", "created": 1700000000, "owned_by": "scripted"}
                answered = 200, {"object": "list", "data": [one]}
        return answered or _error(404, f"Invalid URL ({method} {parts.path})")

    def _on_files(self, method: str, rest: list[str], query: Mapping[str, str]) -> tuple[int, Any] | None:
        if (method, rest) == ("GET", []):
            chosen = [one.about for one in self.files.values() if one.about["purpose"] == query.get("purpose", "batch")]
            return _page(chosen if query.get("order") == "asc" else chosen[::-1], query, most=10_000)
        stored = self.files.get(rest[0]) if rest else None
        if stored is None:
            return _error(404, f"No such File object: {'/'.join(rest)}")
        if (method, rest[1:]) == ("GET", []):
            return 200, stored.about
        if (method, rest[1:]) == ("GET", ["content"]):
            return 200, stored.content
        if (method, rest[1:]) == ("DELETE", []):
            del self.files[rest[0]]
            return 200, {"id": rest[0], "object": "file", "deleted": True}
        return None

    def _on_batches(self, method: str, rest: list[str], query: Mapping[str, str]) -> tuple[int, Any] | None:
        if (method, rest) == ("GET", []):
            return _page([one.about for one in self.batches.values()][::-1], query, most=100, default=20)
        stored = self.batches.get(rest[0]) if rest else None
        if stored is None:
            return _error(404, f"No batch found with id '{'/'.join(rest)}'.")
        if (method, rest[1:]) == ("GET", []):
            self._advance(stored)
            return 200, stored.about
        if (method, rest[1:]) == ("POST", ["cancel"]):
            return self._cancel(stored)
        return None

    def _chat(self, request: Mapping[str, Any]) -> tuple[int, Any]:
        self.live.append(request)
        if request.get("response_format", {}).get("json_schema", {}).get("name") == "Probe":
            return 200, completion_body('{"colour": "teal-7"}')
        reply = self._answer(request)
        return (reply.status, reply.body) if isinstance(reply, Reply) else (200, reply)

    def _upload(self, body: bytes, content_type: str) -> tuple[int, Any]:
        parts = _form(body, content_type)
        if "file" not in parts or parts.get("purpose") is None:
            return _error(400, "'file' and 'purpose' are required properties")
        name, content = parts["file"]
        purpose = parts["purpose"][1].decode()
        if purpose == "batch" and not name.endswith(".jsonl"):
            return _error(400, f"Invalid file format for Batch API. Must be .jsonl, got {name}")
        return 200, self._store(name, content, purpose).about

    def _store(self, name: str, content: bytes, purpose: str) -> StoredFile:
        about = {
            "id": self._id("file"),
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "expires_at": int(time.time()) + 30 * WINDOW,
            "filename": name,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        }
        self.files[about["id"]] = stored = StoredFile(about, content)
        return stored

    def _create(self, asked: Mapping[str, Any]) -> tuple[int, Any]:
        stored = self.files.get(asked.get("input_file_id", ""))
        metadata = asked.get("metadata") or {}
        if stored is None:
            return _error(404, f"No such File object: {asked.get('input_file_id')}")
        if stored.about["purpose"] != "batch":
            return _error(400, "The input file must have the purpose 'batch'.")
        if asked.get("completion_window") != "24h" or asked.get("endpoint") not in ENDPOINTS:
            return _error(400, "Invalid completion_window or endpoint.")
        if len(metadata) > 16 or any(len(key) > 64 or len(value) > 512 for key, value in metadata.items()):
            return _error(400, "Invalid metadata.")
        now = int(time.time())
        about: dict[str, Any] = {
            "id": self._id("batch"),
            "object": "batch",
            "endpoint": asked["endpoint"],
            "model": self.model,
            "errors": None,
            "input_file_id": stored.about["id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "in_progress_at": None,
            "expires_at": now + WINDOW,
            "finalizing_at": None,
            "completed_at": None,
            "failed_at": None,
            "expired_at": None,
            "cancelling_at": None,
            "cancelled_at": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": dict(metadata),
        }
        plan = self._plans.pop(0) if self._plans else Plan()
        self.batches[about["id"]] = StoredBatch(about, plan)
        return 200, about

    def _cancel(self, stored: StoredBatch) -> tuple[int, Any]:
        if stored.about["status"] in TERMINAL:
            return _error(409, f"Cannot cancel a batch with status '{stored.about['status']}'.")
        self._enter(stored, "cancelling")
        stored.plan = Plan(end="cancelled", fate=lambda _place, _line: "cancelled")
        return 200, stored.about

    def _advance(self, stored: StoredBatch) -> None:
        status = stored.about["status"]
        if status == "validating":
            errors = [dict(error) for error in stored.plan.errors] or self._validate(stored)
            if errors or stored.plan.end == "failed":
                stored.about["errors"] = {"object": "list", "data": errors}
                self._enter(stored, "failed")
            else:
                stored.about["request_counts"]["total"] = len(stored.lines)
                self._enter(stored, "in_progress")
        elif status == "in_progress" and not stored.plan.held:
            self._enter(stored, "finalizing")
        elif status in {"finalizing", "cancelling"}:
            self._finish(stored)

    def _enter(self, stored: StoredBatch, status: str) -> None:
        stored.about["status"] = status
        stored.about[f"{status}_at"] = int(time.time())

    def _validate(self, stored: StoredBatch) -> list[dict[str, Any]]:
        content = self.files[stored.about["input_file_id"]].content
        errors: list[dict[str, Any]] = []
        seen: set[str] = set()

        def wrong(code: str, message: str, number: int | None) -> None:
            errors.append({"code": code, "message": message, "param": None, "line": number})

        for number, raw in enumerate(content.splitlines(), 1):
            try:
                line = json.loads(raw)
            except ValueError:
                wrong("invalid_json_line", "This line is not parseable as valid JSON.", number)
                continue
            if set(line) != {"custom_id", "method", "url", "body"} or line["method"] != "POST":
                wrong("invalid_request", "The line must have custom_id, method, url and body.", number)
                continue
            if line["url"] != stored.about["endpoint"]:
                wrong("mismatched_endpoint", "The url does not match the batch's endpoint.", number)
            elif line["custom_id"] in seen or not 1 <= len(line["custom_id"]) <= 64:
                wrong("duplicate_custom_id", "The custom_id is not unique, or not of 1 to 64 characters.", number)
            elif line["body"].get("model") != self.model:
                wrong("model_not_found", "The provided model is not supported by the Batch API.", number)
            seen.add(line["custom_id"])
            stored.lines.append(line)
        if not stored.lines:
            wrong("empty_file", "The input file is empty.", None)
        if len(stored.lines) > MAX_REQUESTS or len(content) > MAX_BYTES:
            wrong("batch_too_large", "The batch holds too many requests or bytes.", None)
        return errors[:100]

    def _finish(self, stored: StoredBatch) -> None:
        output: list[bytes] = []
        errors: list[bytes] = []
        counts = stored.about["request_counts"]
        for place, line in enumerate(stored.lines):
            fate = stored.plan.fate(place, line)
            if fate == "missing":
                continue
            if fate in {"expired", "cancelled"}:
                why = {
                    "expired": "This request could not be executed before the completion window expired.",
                    "cancelled": "This request was cancelled before it was executed.",
                }[fate]
                errors.append(self._line(line["custom_id"], error={"code": f"batch_{fate}", "message": why}))
                counts["failed"] += 1
                continue
            said = self._answer(line["body"])
            reply = said if isinstance(said, Reply) else Reply(200, said)
            entry = self._line(line["custom_id"], reply)
            if reply.status < 400:
                output.append(entry)
                self.charged[line["custom_id"]] += 1
                counts["completed"] += 1
            else:
                errors.append(entry)
                counts["failed"] += 1
            if stored.plan.twice:
                output.append(self._line(line["custom_id"], Reply(200, completion_body("a second answer"))))
        output += [self._line(f"nobody-{n}", Reply(200, completion_body("?"))) for n in range(stored.plan.strangers)]
        output += [b'{"id": "batch_req_broken", "custom_id": '] * stored.plan.broken_lines
        if stored.plan.order == "reversed":
            output.reverse()
        elif stored.plan.order == "shuffled":
            random.Random(4).shuffle(output)
        number = stored.about["id"]
        if output:
            made = self._store(f"{number}_output.jsonl", b"\n".join(output) + b"\n", "batch_output")
            stored.about["output_file_id"] = made.about["id"]
        if errors:
            made = self._store(f"{number}_error.jsonl", b"\n".join(errors) + b"\n", "batch_output")
            stored.about["error_file_id"] = made.about["id"]
        self._enter(stored, stored.plan.end)

    def _line(self, custom_id: str, reply: Reply | None = None, *, error: Mapping[str, Any] | None = None) -> bytes:
        response = None
        if reply is not None:
            response = {"status_code": reply.status, "request_id": self._id("req"), "body": reply.body}
        entry = {"id": self._id("batch_req"), "custom_id": custom_id, "response": response, "error": error}
        return json.dumps(entry).encode()

    def _id(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}{'_' if 'batch' in prefix or prefix == 'req' else '-'}{self._numbers:08x}"

    def fault_for(self, call: str) -> Fault | None:
        """The fault this call meets (called by the server's threads)."""
        with self._lock:
            self.calls.append(call)
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, call):
                    fault.times -= 1
                    return fault
        return None


def _page(
    everything: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, most: int, default: int | None = None
) -> tuple[int, Any]:
    limit = int(query.get("limit", default or most))
    if not 1 <= limit <= most:
        return _error(400, f"limit must be between 1 and {most}")
    start = 0
    if "after" in query:
        start = [one["id"] for one in everything].index(query["after"]) + 1
    data = list(everything[start : start + limit])
    return 200, {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + limit < len(everything),
    }


def _error(status: int, message: str) -> tuple[int, Any]:
    return status, error_reply(status, message).body


def _form(body: bytes, content_type: str) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form: name to (file name, content)."""
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, tuple[str, bytes]] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content = part.get_payload(decode=True)
            fields[name] = (part.get_filename() or "", content if isinstance(content, bytes) else b"")
    return fields


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        owner = self.server.owner
        call = f"{self.command} {self.path}"
        fault = owner.fault_for(call)
        self.close_connection = True
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.how == "drop":
            self.rfile.read(length // 2)
            self._reset()
            return
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        if fault is not None and isinstance(fault.how, int):
            self._send(*_error(fault.how, "scripted failure"))
            return
        status, value = owner.handle(self.command, self.path, body, self.headers.get("Content-Type", ""))
        owner.after(call)
        if fault is not None and fault.how == "lose":
            self._reset()
            return
        self._send(status, value, half=fault is not None)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server asks for

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, value: Any, *, half: bool = False) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if isinstance(value, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.to_reset.add(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the calls are kept for the test to read."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, owner: BatchServer) -> None:
        self.owner = owner
        self.to_reset: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without http.server's look-up of the host's name, which can take seconds off line."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def shutdown_request(self, request: Any) -> None:
        if request in self.to_reset:  # the orderly shutdown would come before the reset
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is a case some tests make on purpose."""
