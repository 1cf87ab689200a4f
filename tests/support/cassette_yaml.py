"""Cassettes as YAML that a person can read and review.

Purpose: turn vcrpy's cassette dictionary into text and back.

Invariants:

- exact: ``deserialize(serialize(x))`` gives every string of ``x`` back, character for character;
- canonical: ``canonical(text) == text`` for every text that ``serialize`` wrote;
- readable: JSON bodies are YAML structures, strings with newlines are literal blocks (``|``), lines are never
  folded, typographic characters and emoji stand as themselves, and a long string or structure that occurs
  again (a system prompt, a JSON schema) is written once and referred to by a YAML alias.

A literal block cannot hold every string (PyYAML refuses blanks before a line end; tabs, carriage returns,
control characters and some Unicode line breaks would not survive). Those are double-quoted instead, one
source line to each line of the string, with everything invisible escaped.

Interactions are sorted by request, not by the time they were answered, so that recording again with several
requests in flight gives the same order; a conversation stands before its continuation.

Bodies: ``json`` holds a parsed object or array (bytes may differ in blanks and escapes, the value may not),
``text`` any other UTF-8 text, ``base64`` anything else. Key order is kept as it went over the wire, because
the order of a schema's properties can steer a constrained model.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as _Loader

# Shorter values are written out each time: an alias costs the reader a jump.
SHARE_FROM_CHARACTERS = 120

# What plain, quoted and literal scalars carry unharmed: printable text with "\n" as the only line break.
_LITERAL_SAFE = re.compile(r"[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
# Characters that stand as themselves between double quotes.
_VISIBLE = re.compile(
    r"[\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_NAMED_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper with literal blocks, aliases for long equal values, and readable double quotes."""

    shared: frozenset[int] = frozenset()

    def ignore_aliases(self, data: Any) -> bool:
        return id(data) not in self.shared

    def generate_anchor(self, node: yaml.Node) -> str:
        self.last_anchor_id += 1
        kind = "text" if isinstance(node, yaml.ScalarNode) else "part"
        return f"{kind}-{self.last_anchor_id}"

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        lines = re.findall(r"[^\n]*\n|[^\n]+", text) if split and "\n" in text else [text]
        self.write_indicator('"', True)
        for number, line in enumerate(lines):
            escaped = "".join(_escape(character) for character in line)
            if number:
                # A backslash at the line's end joins the lines; blanks that begin the next are escaped.
                self._write("\\")
                self.write_indent()
                escaped = "\\" + escaped if escaped.startswith(" ") else escaped
            self._write(escaped)
        self.write_indicator('"', False)

    def _write(self, data: str) -> None:
        self.column += len(data)
        self.whitespace = self.indention = False
        self.stream.write(data)


def _escape(character: str) -> str:
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    if _VISIBLE.fullmatch(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if not _LITERAL_SAFE.fullmatch(text):
        style = '"'
    elif "\n" in text:
        style = '"' if re.search(r" (\n|$)", text) else "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def serialize(cassette: dict[str, Any]) -> str:
    """Write vcrpy's cassette dictionary as canonical YAML text (called by vcrpy when it saves)."""
    interactions = [
        {"request": _request_out(one["request"]), "response": _response_out(one["response"])}
        for one in cassette["interactions"]
    ]
    interactions.sort(key=_order)
    return dump({"version": cassette["version"], "interactions": interactions})


def deserialize(text: str) -> dict[str, Any]:
    """Read what :func:`serialize` wrote back into vcrpy's form (called by vcrpy when it loads)."""
    data = load(text)
    interactions = [
        {"request": _request_in(one["request"]), "response": _response_in(one["response"])}
        for one in data["interactions"]
    ]
    return {"version": data["version"], "interactions": interactions}


def canonical(text: str) -> str:
    """The text that ``serialize`` would write for this cassette."""
    return serialize(deserialize(text))


def load(text: str) -> Any:
    """The plain YAML value of a cassette's text."""
    return yaml.load(text, Loader=_Loader)


def dump(value: Any) -> str:
    """Any tree of JSON values as canonical YAML text."""
    pool: dict[str, Any] = {}
    tree = _share(value, pool)
    shared = frozenset(id(item) for item in pool.values())
    dumper_class = type("_SharingDumper", (_Dumper,), {"shared": shared})
    text: str = yaml.dump(tree, Dumper=dumper_class, sort_keys=False, allow_unicode=True, width=math.inf)
    return text


def _share(value: Any, pool: dict[str, Any]) -> Any:
    """A copy of the tree in which long equal values are one and the same object."""
    if isinstance(value, str):
        if len(value) < SHARE_FROM_CHARACTERS:
            return value
        return pool.setdefault(json.dumps(value), value)
    if not isinstance(value, dict | list):
        return value
    key = json.dumps(value)
    if key in pool:
        return pool[key]
    copy: Any
    if isinstance(value, dict):
        copy = {name: _share(item, pool) for name, item in value.items()}
    else:
        copy = [_share(item, pool) for item in value]
    if len(key) >= SHARE_FROM_CHARACTERS:
        pool[key] = copy
    return copy


def parse_json(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or array that ``text`` is; None for anything else, or if parsing would lose something."""

    def reject(name: str) -> Any:
        raise ValueError(name)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    def number(digits: str) -> float:
        if math.isinf(value := float(digits)):
            raise ValueError("the number is too large")
        return value

    try:
        value = json.loads(text, parse_constant=reject, parse_float=number, object_pairs_hook=unique)
        json_text(value).encode()  # fails on half a surrogate pair, which JSON may hold and YAML may not
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def json_text(value: Any) -> str:
    """Compact JSON text in which characters stand as themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _order(interaction: dict[str, Any]) -> tuple[str, str, list[str], str]:
    """Sort by request, a conversation before its continuation; equal requests stay as they were answered."""
    request = interaction["request"]
    body = (request["body"] or {}).get("json")
    messages = body.get("messages") if isinstance(body, dict) else None
    turns = [json.dumps(message) for message in messages] if isinstance(messages, list) else []
    return request["uri"], request["method"], turns, json.dumps(request["body"])


def _body_out(body: str | bytes | None) -> dict[str, Any] | None:
    if body is None or body in ("", b""):
        return None
    if isinstance(body, str):
        text = body
    else:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(body).decode()}
    parsed = parse_json(text)
    return {"text": text} if parsed is None else {"json": parsed}


def _body_in(body: dict[str, Any] | None) -> bytes:
    if body is None:
        return b""
    if "json" in body:
        return json_text(body["json"]).encode()
    return base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode()


def _headers_out(headers: dict[str, list[str]]) -> dict[str, Any]:
    return {name: values[0] if len(values) == 1 else values for name, values in sorted(headers.items())}


def _headers_in(headers: dict[str, Any]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in headers.items()}


def _request_out(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": request["method"],
        "uri": request["uri"],
        "headers": _headers_out(request["headers"]),
        "body": _body_out(request["body"]),
    }


def _request_in(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "headers": _headers_in(request["headers"]), "body": _body_in(request["body"])}


def _response_out(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": {"code": response["status"]["code"], "message": response["status"]["message"]},
        "headers": _headers_out(response["headers"]),
        "body": _with_logprobs(_body_out(response["body"]["string"]), _packed),
    }


def _response_in(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": response["status"],
        "headers": _headers_in(response["headers"]),
        "body": {"string": _body_in(_with_logprobs(response["body"], _unpacked))},
    }


def _with_logprobs(body: dict[str, Any] | None, change: Callable[[Any], Any]) -> dict[str, Any] | None:
    """The body with the token probabilities of every choice changed by ``change``."""
    answer = body.get("json") if body else None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        return body
    choices = [
        {**choice, "logprobs": change(choice["logprobs"])}
        if isinstance(choice, dict) and "logprobs" in choice
        else choice
        for choice in answer["choices"]
    ]
    return {"json": {**answer, "choices": choices}}


def _has_logprobs(choice: Any) -> bool:
    return isinstance(choice, dict) and "logprobs" in choice


_TOKEN = {"token", "logprob", "bytes"}


def _packed(logprobs: Any) -> Any:
    """One line of JSON for each token: its text, its logprob, then the alternatives' texts and logprobs."""
    if not isinstance(logprobs, dict) or logprobs.keys() != {"content"} or not isinstance(logprobs["content"], list):
        return logprobs
    lines = []
    for token in logprobs["content"]:
        alternatives = token.get("top_logprobs") if isinstance(token, dict) else None
        if alternatives is None or token.keys() != _TOKEN | {"top_logprobs"}:
            return logprobs
        parts = [token, *alternatives]
        if any(part.keys() - {"top_logprobs"} != _TOKEN or part["bytes"] is not None for part in parts):
            return logprobs
        lines.append(json.dumps([part[key] for part in parts for key in ("token", "logprob")], ensure_ascii=False))
    return {"tokens": lines}


def _unpacked(logprobs: Any) -> Any:
    if not isinstance(logprobs, dict) or logprobs.keys() != {"tokens"}:
        return logprobs
    content = []
    for line in logprobs["tokens"]:
        flat = json.loads(line)
        first, *tops = [
            {"token": text, "logprob": logprob, "bytes": None}
            for text, logprob in zip(flat[::2], flat[1::2], strict=True)
        ]
        content.append({**first, "top_logprobs": tops})
    return {"content": content}
