"""Recorded conversations with a model: how tests record them, replay them and learn that one no longer fits.

A pytest plugin over pytest-recording and vcrpy (``pytest_plugins`` in ``conftest.py`` loads it). A test
marked ``@pytest.mark.vcr`` takes :func:`cassette_endpoint` and talks to that endpoint; its conversation is
in ``cassettes/<test module>/<test>.yaml``.

Invariants:

- replaying needs no network and no key: the base URL is a name that does not exist;
- a request matches on method, path and JSON value, in any order, and each interaction is played exactly once:
  a request without a match, and an interaction without a request, both fail the test, whatever the code under
  test made of the missing answer;
- a cassette holds no key, cookie, date, host or port: only the headers listed here are stored.

Normalised when recording, because it differs on each run and no reader of the answer acts on it: the
answer's ``id``, ``created``, ``timings`` and ``system_fingerprint``, and a model list's ``created``. Never
touched: content, tool calls (their ids come back in the next request), usage, finish reason, model.

Recording: ``make rerecord TEST=<node id>`` runs pytest with ``--record-mode=rewrite`` against the server
that ``SUMMARISE_RECORD_BASE_URL``, ``SUMMARISE_RECORD_API_KEY`` and ``SUMMARISE_RECORD_MODEL`` name or,
without them, the one that the fixture ``recording_server`` starts.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import pytest
from vcr import VCR
from vcr.cassette import Cassette
from vcr.request import Request
from vcr.serialize import serialize as vcr_serialize

from support import cassette_yaml

REPLAY_BASE_URL = "http://model.test/v1"
REPLAY_API_KEY = "replay"
DEFAULT_MODEL = "model"
REQUEST_HEADERS = frozenset({"accept", "content-type"})
# What the SDK and our retry code read of an answer; everything else is the server's business.
RESPONSE_HEADERS = frozenset({"content-type", "retry-after", "retry-after-ms", "x-should-retry"})
MAX_DIFF_LINES = 150


# What is stored


def trim_request(base_path: str = "/v1") -> Callable[[Request], Request]:
    """A vcrpy hook that keeps the listed headers and puts the replay address in place of the real one.

    ``base_path`` is the path of the live server's base URL; it is stored as ``/v1`` too.
    """

    def trim(request: Request) -> Request:
        parts = urlsplit(request.uri)
        path = parts.path
        if base_path and path.startswith(base_path + "/"):
            path = "/v1" + path.removeprefix(base_path)
        stand_in = urlsplit(REPLAY_BASE_URL)
        uri = urlunsplit((stand_in.scheme, stand_in.netloc, path, parts.query, ""))
        headers = {k.lower(): v for k, v in request.headers.items() if k.lower() in REQUEST_HEADERS}
        return Request(request.method, uri, request.body, headers)

    return trim


def trim_response(response: dict[str, Any]) -> dict[str, Any]:
    """A vcrpy hook that keeps the listed headers and settles what differs on each run."""
    headers = {k.lower(): v for k, v in response["headers"].items() if k.lower() in RESPONSE_HEADERS}
    body = response["body"]["string"]
    try:
        parsed = cassette_yaml.parse_json(body.decode() if isinstance(body, bytes) else body)
    except UnicodeDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        body = cassette_yaml.json_text(_settle(parsed)).encode()
    return {"status": response["status"], "headers": headers, "body": {"string": body}}


def _settle(answer: dict[str, Any]) -> dict[str, Any]:
    settled = {k: v for k, v in answer.items() if k not in {"timings", "system_fingerprint"}}
    if str(answer.get("object", "")).startswith("chat.completion"):
        settled |= {"id": "chatcmpl-recorded", "created": 0}
        settled["choices"] = [_without_noise(choice) for choice in answer.get("choices") or []]
    if answer.get("object") == "list" and isinstance(answer.get("data"), list):
        settled["data"] = [
            {**item, "created": 0} if isinstance(item, dict) and "created" in item else item for item in answer["data"]
        ]
    return settled


def _without_noise(choice: Any) -> Any:
    """A choice whose token probabilities keep what the client reads: texts, and logprobs to four places.

    Alternatives less likely than one in a thousand are left out, but for the token itself: with them, a record
    of thirty short answers is several hundred kilobytes.
    """
    logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
    if not isinstance(logprobs, dict) or not isinstance(logprobs.get("content"), list):
        return choice
    tokens = [
        {**_rounded(token), "top_logprobs": [_rounded(top) for top in token["top_logprobs"] if top["logprob"] > -6.9]}
        for token in logprobs["content"]
    ]
    return {**choice, "logprobs": {"content": tokens}}


def _rounded(token: dict[str, Any]) -> dict[str, Any]:
    return {"token": token["token"], "logprob": round(token["logprob"], 4), "bytes": None}


# What matches


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not; key order does not matter."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def json_body(one: Request, other: Request) -> bool:
    """A vcrpy matcher: equal JSON values, or equal bytes where a body is not JSON."""
    return same_json(_body_value(one), _body_value(other))


def _body_value(request: Request) -> Any:
    body = request.body or b""
    try:
        return json.loads(body)
    except ValueError:
        return bytes(body)


# Where it is stored


def cassette_name(test_name: str, class_name: str | None = None) -> str:
    """A file name for a test: letters, digits, ``._-``, and a short hash where others were replaced."""
    name, bracket, parameters = f"{class_name}.{test_name}".removeprefix("None.").partition("[")
    if not bracket:
        return name
    parameters = parameters.removesuffix("]")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", parameters).strip("-")[:80]
    if plain != parameters:
        plain = f"{plain}-{sha256(parameters.encode()).hexdigest()[:8]}".lstrip("-")
    return f"{name}-{plain}"


def cassette_path(item: pytest.Item) -> Path:
    """Where the cassette of a collected test belongs."""
    return _cassette_dir(item.config, item.path) / f"{_name_of(item)}.yaml"


def _cassette_dir(config: pytest.Config, test_file: Path) -> Path:
    return config.rootpath / "cassettes" / test_file.stem


def _name_of(item: pytest.Item) -> str:
    owner = getattr(item, "cls", None)
    return cassette_name(item.name, owner.__name__ if owner else None)


class _Persister:
    """Saves as UTF-8 with ``\\n`` whatever the locale says; vcrpy's own persister asks the locale."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def load_cassette(self, path: str, serializer: Any) -> Any:
        return self._loader.load_cassette(path, serializer)

    @staticmethod
    def save_cassette(path: str, cassette: dict[str, Any], serializer: Any) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(vcr_serialize(cassette, serializer), encoding="utf-8", newline="\n")


# What did not fit


class CassetteWatch:
    """Keeps the requests that a cassette could not answer, for a report louder than "Connection error."

    vcrpy raises inside the transport, the SDK turns that into a connection error, and the code under test may
    well survive one. So the test is judged by what the cassette saw.
    """

    def __init__(self, cassette: Cassette, node_id: str) -> None:
        self.misses: list[Request] = []
        self._cassette = cassette
        self._node_id = node_id
        self._can_play = cassette.can_play_response_for
        cassette.can_play_response_for = self._watch

    def _watch(self, request: Request) -> bool:
        playable = bool(self._can_play(request))
        if not playable and self._cassette.write_protected:
            self.misses.append(self._cassette.filter_request(request))
        return playable

    @property
    def unplayed(self) -> list[Request]:
        """Recorded requests that the test never made."""
        played = self._cassette.play_counts
        return [one for number, one in enumerate(self._cassette.requests) if not played[number]]

    def report(self, *, with_unplayed: bool) -> str | None:
        """What did not fit and how to record again; None if everything did."""
        parts = [self._describe_miss(miss) for miss in self.misses]
        if with_unplayed and self._cassette.write_protected:
            parts += [f"This recorded interaction was not played: {_label(one)}" for one in self.unplayed]
        if not parts:
            return None
        path = os.path.relpath(self._cassette.path)
        command = f"make rerecord TEST={shlex.quote(self._node_id)}"
        return "\n\n".join([f"The test and its cassette {path} disagree.", *parts, f"To record again: {command}"])

    def _describe_miss(self, wanted: Request) -> str:
        head = f"No recorded answer for {_label(wanted)}"
        recorded = self._cassette.requests
        if not recorded:
            return f"{head}\nThe cassette is missing or empty."
        equal = [one for one in recorded if _same_request(wanted, one)]
        if equal:
            return f"{head}\nThe test made this request more often than it was recorded ({len(equal)} times)."
        nearest = max(recorded, key=lambda one: _likeness(wanted, one))
        lines = list(
            difflib.unified_diff(_lines(nearest), _lines(wanted), "nearest recorded", "wanted", n=2, lineterm="")
        )
        if len(lines) > MAX_DIFF_LINES:
            lines = [*lines[:MAX_DIFF_LINES], f"({len(lines) - MAX_DIFF_LINES} more lines)"]
        return "\n".join([head, *lines])


def _same_request(one: Request, other: Request) -> bool:
    return (one.method, one.path) == (other.method, other.path) and json_body(one, other)


def _likeness(wanted: Request, recorded: Request) -> tuple[bool, float]:
    same_place = (wanted.method, wanted.path) == (recorded.method, recorded.path)
    return same_place, difflib.SequenceMatcher(None, _lines(recorded), _lines(wanted), autojunk=False).ratio()


def _lines(request: Request) -> list[str]:
    """The request as a cassette shows it, with keys sorted: a different order is no difference."""
    value = _body_value(request)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    body = cassette_yaml.dump(_sorted(value)).splitlines()
    return [f"{request.method} {request.path}", *body]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _label(request: Request) -> str:
    value = _body_value(request)
    messages = value.get("messages") if isinstance(value, dict) else None
    if not messages:
        return f"{request.method} {request.path}"
    last = str(messages[-1].get("content", "")).strip()
    start = last[:60].replace("\n", " ") + ("…" if len(last) > 60 else "")
    return f"{request.method} {request.path}, {len(messages)} messages, the last begins {start!r}"


# The pytest plugin


class RecordingServer(Protocol):
    """What :func:`recording_server` must give; ``summarise.llm.engine.EmbeddedServer`` does."""

    base_url: str
    api_key: str


@dataclass(frozen=True)
class CassetteEndpoint:
    """Where a cassette test sends its requests.

    ``model`` is the one the cassette was recorded with; ``timeout_seconds`` is long only when recording.
    """

    base_url: str
    api_key: str
    model: str
    recording: bool
    timeout_seconds: float


_WATCH = pytest.StashKey[CassetteWatch]()


def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Give pytest-recording's VCR our serializer, matcher and persister."""
    # By the name "yaml", because pytest-recording makes the file's suffix of the serializer's name.
    vcr.register_serializer("yaml", cassette_yaml)
    vcr.register_matcher("json_body", json_body)
    vcr.register_persister(_Persister(vcr.persister))


@pytest.fixture(scope="session")
def recording_server() -> AbstractContextManager[RecordingServer] | None:
    """The server to record from when the environment names none. ``conftest.py`` overrides this."""
    return None


@pytest.fixture(scope="session")
def live_endpoint(
    record_mode: str, recording_server: AbstractContextManager[RecordingServer] | None
) -> Iterator[CassetteEndpoint | None]:
    """The model server to record from, started before any cassette is in place; None when replaying."""
    if record_mode == "none":
        yield None
        return
    named = os.environ.get("SUMMARISE_RECORD_BASE_URL", "").rstrip("/")
    model = os.environ.get("SUMMARISE_RECORD_MODEL", DEFAULT_MODEL)
    if named:
        api_key = os.environ.get("SUMMARISE_RECORD_API_KEY", "none")
        yield CassetteEndpoint(named, api_key, model, recording=True, timeout_seconds=600)
    elif recording_server is not None:
        with recording_server as server:
            base_url = server.base_url.rstrip("/")
            yield CassetteEndpoint(base_url, server.api_key, model, recording=True, timeout_seconds=600)
    else:
        pytest.fail("Set SUMMARISE_RECORD_BASE_URL to the model server to record from.", pytrace=False)


@pytest.fixture
def vcr_config(record_mode: str, live_endpoint: CassetteEndpoint | None) -> dict[str, Any]:
    """pytest-recording's settings."""
    base_path = urlsplit(live_endpoint.base_url).path if live_endpoint else "/v1"
    return {
        "serializer": "yaml",
        "match_on": ("method", "path", "json_body"),
        "before_record_request": trim_request(base_path),
        "before_record_response": trim_response,
        "decode_compressed_response": True,
        "allow_playback_repeats": False,
        # Only when recording: with record mode "none" vcrpy would rewrite the file without them.
        "drop_unused_requests": record_mode == "all",
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """``cassettes/<test module>`` at the top of the repository."""
    return str(_cassette_dir(request.config, request.path))


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """The test's name, fit for a file."""
    return _name_of(request.node)


@pytest.fixture(autouse=True)
def cassette_watch(request: pytest.FixtureRequest, vcr: Cassette | None) -> CassetteWatch | None:
    """Watch this test's cassette; the hooks below judge what was seen."""
    if vcr is None:
        return None
    watch = CassetteWatch(vcr, request.node.nodeid)
    request.node.stash[_WATCH] = watch
    return watch


@pytest.fixture
def cassette_endpoint(vcr: Cassette | None, live_endpoint: CassetteEndpoint | None) -> CassetteEndpoint:
    """The endpoint of a test marked ``vcr``: the live server when recording, a stand-in when replaying."""
    if vcr is None:
        pytest.fail("Mark the test with @pytest.mark.vcr to use cassette_endpoint.", pytrace=False)
    if live_endpoint is not None:
        return live_endpoint
    values = [_body_value(request) for request in vcr.requests]
    models = [value["model"] for value in values if isinstance(value, dict) and "model" in value]
    model = models[0] if models else DEFAULT_MODEL
    return CassetteEndpoint(REPLAY_BASE_URL, REPLAY_API_KEY, model, recording=False, timeout_seconds=10)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Fail loudly if a fixture asked the cassette for something it does not hold."""
    return (yield from _judged(item, with_unplayed=False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail loudly if the test and its cassette disagree, even where the test itself passed."""
    return (yield from _judged(item, with_unplayed=True))


def _judged(item: pytest.Item, *, with_unplayed: bool) -> Generator[None, object, object]:
    passing = (pytest.skip.Exception, pytest.exit.Exception, KeyboardInterrupt, SystemExit)
    try:
        result = yield
    except passing:
        raise
    except BaseException as error:
        # Unplayed interactions are no news after a failure: the test ended early.
        if report := _report(item, with_unplayed=False):
            ending = f"The test then ended with {type(error).__name__}: {error}"
            # Not "from error": vcrpy's own advice on how to record would stand above ours.
            raise pytest.fail.Exception(f"{report}\n\n{ending}", pytrace=False) from None
        raise
    if report := _report(item, with_unplayed=with_unplayed):
        raise pytest.fail.Exception(report, pytrace=False)
    return result


def _report(item: pytest.Item, *, with_unplayed: bool) -> str | None:
    watch = item.stash.get(_WATCH, None)
    return watch.report(with_unplayed=with_unplayed) if watch else None
