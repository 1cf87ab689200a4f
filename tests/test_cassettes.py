"""The cassettes are clean, and the machinery that records and replays them does what it says.

The first part looks at every file under ``cassettes/``; the rest tests ``support.cassettes`` and
``support.cassette_yaml``, at the end with a small suite of its own that is recorded and replayed by pytest.
"""

from __future__ import annotations

import copy
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import openai
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI
from support import cassette_yaml
from support.cassettes import (
    REPLAY_API_KEY,
    REPLAY_BASE_URL,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    CassetteWatch,
    cassette_name,
    json_body,
    same_json,
    trim_request,
    trim_response,
)
from support.server import ReceivedRequest, ScriptedServer, Step, completion, delay
from vcr import VCR
from vcr.cassette import Cassette
from vcr.request import Request

TESTS = Path(__file__).parent
ROOT = TESTS.parent
CASSETTES = ROOT / "cassettes"
MAX_BYTES = 100 * 1024

SECRETS = {
    "an OpenAI-style key": r"\bsk-[A-Za-z0-9_-]{16,}",
    "a bearer token": r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{8,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{20,}",
    "a GitHub token": r"\bgh[oprsu]_[A-Za-z0-9]{20,}",
    "a Google key": r"\bAIza[A-Za-z0-9_-]{30,}",
    "an AWS key": r"\bAKIA[A-Z0-9]{16}\b",
    "a web token": r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.",
    # Addresses under the reserved example and test domains are nobody's.
    "an e-mail address": r"\b[\w.+-]+@(?!(?:[\w-]+\.)*(?:example\.(?:com|net|org)|test|invalid)\b)[\w-]+\.[\w.-]+",
    "a local path": r"(?<![\w./:-])/(?:home|root|Users|work|tmp|private|var/folders)/[\w.-]+",
    "a local Windows path": r"\b[A-Za-z]:\\Users\\",
}


def strings_in(value: Any) -> Iterator[str]:
    """Every string in a tree of JSON values, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_in(key)
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)


def problems_in(text: str) -> list[str]:
    """What is wrong with the text of a cassette; never quotes what it found."""
    problems = []
    if (size := len(text.encode())) > MAX_BYTES:
        problems.append(f"{size} bytes, over {MAX_BYTES}: record less, or split the test")
    data = cassette_yaml.load(text)
    if not data["interactions"]:
        problems.append("no interactions: delete the file or record it again")
    for number, interaction in enumerate(data["interactions"], start=1):
        sides = (("request", REQUEST_HEADERS), ("response", RESPONSE_HEADERS))
        for side, allowed in sides:
            headers = interaction[side]["headers"]
            if extra := sorted(set(headers) - allowed):
                problems.append(f"interaction {number}: headers of the {side} that are not allowed: {extra}")
            if any(re.search(r"[A-Za-z0-9_-]{24,}", string) for string in strings_in(list(headers.values()))):
                problems.append(f"interaction {number}: a long token in a header of the {side}")
        address = urlsplit(interaction["request"]["uri"])
        if f"{address.scheme}://{address.netloc}" != REPLAY_BASE_URL.removesuffix("/v1"):
            problems.append(f"interaction {number}: a real host")
        for name, pattern in SECRETS.items():
            if any(re.search(pattern, string) for string in strings_in(interaction)):
                problems.append(f"interaction {number}: {name}")
    if cassette_yaml.canonical(text) != text:
        problems.append("not as the recorder writes it: was it edited? Record it again")
    return problems


# Every file under cassettes/


def test_every_cassette_is_clean() -> None:
    found = {
        str(path.relative_to(ROOT)): problems
        for path in sorted(CASSETTES.rglob("*.yaml"))
        if (problems := problems_in(path.read_bytes().decode()))
    }
    assert not found, "\n".join(f"{path}: {problem}" for path, all_ in found.items() for problem in all_)


def test_every_cassette_belongs_to_one_test() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in CASSETTES.rglob("*") if path.is_file()}
    files.discard("cassettes/README.md")
    modules = sorted({path.split("/")[1] for path in files})
    test_files = [f"tests/{module}.py" for module in modules if (TESTS / f"{module}.py").exists()]
    owners = collect(test_files, ROOT) if test_files else {}
    orphans = sorted(files - owners.keys())
    assert not orphans, "cassettes of no test: delete them, or rename them with their test"
    shared = {path: tests for path, tests in owners.items() if len(tests) > 1}
    assert not shared, "tests that would write the same cassette: rename one"


def collect(arguments: list[str], directory: Path) -> dict[str, list[str]]:
    """Which cassette belongs to which tests; in a process of its own, as pytest does not run inside pytest."""
    done = run_python("-m", "support.cassette_owners", *arguments, directory=directory)
    assert done.returncode == 0, done.stdout + done.stderr
    paths: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return paths


def run_python(*arguments: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with ``support`` importable."""
    search = os.pathsep.join([str(TESTS), str(ROOT), os.environ.get("PYTHONPATH", "")])
    everything = os.environ | {"PYTHONPATH": search, "PYTHONUTF8": "1"} | environment
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=directory, env=everything, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


# The checks themselves

CLEAN: dict[str, Any] = {
    "version": 1,
    "interactions": [
        {
            "request": {
                "method": "POST",
                "uri": "http://model.test/v1/chat/completions",
                "headers": {"content-type": ["application/json"]},
                "body": '{"model": "m", "messages": [{"role": "user", "content": "Who?"}]}',
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"content-type": ["application/json"]},
                "body": {"string": '{"choices": []}'},
            },
        }
    ],
}


def test_a_clean_cassette_has_no_problems() -> None:
    assert problems_in(cassette_yaml.serialize(CLEAN)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("key sk-proj-abcdefghijklmnop0123", "an OpenAI-style key"),
        ("Authorization: Bearer abcdef012345", "a bearer token"),
        ("hf_" + "a1B2" * 8, "a Hugging Face token"),
        ("write to jo.smith@newspaper.co.uk", "an e-mail address"),
        ("see /home/jo/notes.txt", "a local path"),
        ('{"model": "/work/models/m.gguf"}', "a local path"),
        ("x" * MAX_BYTES, "over 102400"),
    ],
)
def test_what_does_not_belong_in_a_cassette_is_found(text: str, problem: str) -> None:
    cassette = copy.deepcopy(CLEAN)
    cassette["interactions"][0]["response"]["body"]["string"] = text
    assert any(problem in found for found in problems_in(cassette_yaml.serialize(cassette)))


@pytest.mark.parametrize("text", ["press@agency.test", "a@example.org", "https://bbc.example/work/home", "ask-me"])
def test_harmless_text_is_left_alone(text: str) -> None:
    cassette = copy.deepcopy(CLEAN)
    cassette["interactions"][0]["response"]["body"]["string"] = text
    assert problems_in(cassette_yaml.serialize(cassette)) == []


def test_headers_hosts_and_edits_are_found() -> None:
    cassette = copy.deepcopy(CLEAN)
    cassette["interactions"][0]["request"] |= {
        "uri": "https://api.openai.com/v1/chat/completions",
        "headers": {"authorization": ["x"], "accept": ["a1" * 20]},
    }
    text = cassette_yaml.serialize(cassette).replace("method: POST", "method: 'POST'")
    assert problems_in(text) == [
        "interaction 1: headers of the request that are not allowed: ['authorization']",
        "interaction 1: a long token in a header of the request",
        "interaction 1: a real host",
        "not as the recorder writes it: was it edited? Record it again",
    ]


# The format

AWKWARD = st.text(
    st.one_of(
        st.sampled_from(
            list("ab \n\n\r\t\x85\u2028\u2029\ufeff'\"\\#:-|>&*!%@`{}[]~=<,?—“e\u0301😀\x00\x7f\xa0\u200b")
        ),
        st.characters(codec="utf-8"),
    ),
    max_size=60,
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | AWKWARD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(AWKWARD, inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    text = cassette_yaml.dump([value, value])
    assert cassette_yaml.load(text) == [value, value]
    assert yaml.load(text, Loader=yaml.SafeLoader) == [value, value]
    assert cassette_yaml.dump(cassette_yaml.load(text)) == text


@given(st.text(st.characters(codec="utf-8"), max_size=80) | st.binary(max_size=40) | JSON_VALUES.map(json.dumps))
def test_every_body_comes_back(body: str | bytes) -> None:
    cassette = copy.deepcopy(CLEAN)
    cassette["interactions"][0]["response"]["body"]["string"] = body
    text = cassette_yaml.serialize(cassette)
    back = cassette_yaml.deserialize(text)["interactions"][0]["response"]["body"]["string"]
    wanted = body if isinstance(body, bytes) else body.encode()
    try:
        assert same_json(json.loads(back), json.loads(wanted))
    except ValueError:
        assert back == wanted
    assert cassette_yaml.canonical(text) == text


@pytest.mark.parametrize(
    "body",
    ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', "[" * 5000, "3", '"x"', "data: {}\n\n"],
)
def test_a_body_that_a_structure_would_change_is_kept_as_text(body: str) -> None:
    cassette = copy.deepcopy(CLEAN)
    cassette["interactions"][0]["response"]["body"]["string"] = body
    read = cassette_yaml.deserialize(cassette_yaml.serialize(cassette))
    assert read["interactions"][0]["response"]["body"]["string"] == body.encode()


def test_a_cassette_reads_well() -> None:
    cassette = copy.deepcopy(CLEAN)
    prompt = "List who acts.\n\n“Quote” — exactly.\n"
    odd = "ends in a blank \n  then\ta tab"
    long = "word " * 60 + "end"
    cassette["interactions"][0]["request"]["body"] = json.dumps(
        {
            "model": "m",
            "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": odd}],
            "temperature": 0.0,
            "long": long,
        }
    )
    text = cassette_yaml.serialize(cassette)
    assert text == (
        "version: 1\n"
        "interactions:\n"
        "- request:\n"
        "    method: POST\n"
        "    uri: http://model.test/v1/chat/completions\n"
        "    headers:\n"
        "      content-type: application/json\n"
        "    body:\n"
        "      json:\n"
        "        model: m\n"
        "        messages:\n"
        "        - role: system\n"
        "          content: |\n"
        "            List who acts.\n"
        "\n"
        "            “Quote” — exactly.\n"
        "        - role: user\n"
        '          content: "ends in a blank \\n\\\n'
        '            \\  then\\ta tab"\n'
        "        temperature: 0.0\n"
        f"        long: {long}\n"
        "  response:\n"
        "    status:\n"
        "      code: 200\n"
        "      message: OK\n"
        "    headers:\n"
        "      content-type: application/json\n"
        "    body:\n"
        "      json:\n"
        "        choices: []\n"
    )


def conversation(user: str, *more: str) -> dict[str, Any]:
    """An interaction with a long system prompt and a long schema, as the product's are."""
    interaction = copy.deepcopy(CLEAN["interactions"][0])
    properties = {f"field_{n}": {"type": "string", "description": "What it is. " * 3} for n in range(30)}
    interaction["request"]["body"] = json.dumps(
        {
            "model": "m",
            "messages": [{"role": "system", "content": "A rule of the house.\n" * 150}]
            + [{"role": "user", "content": one} for one in (user, *more)],
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"properties": properties}}},
        }
    )
    return dict(interaction)


def test_thirty_requests_with_one_prompt_and_schema_stay_small() -> None:
    cassette: dict[str, Any] = {"version": 1, "interactions": [conversation(f"Chunk {n}. " * 100) for n in range(30)]}
    text = cassette_yaml.serialize(cassette)
    assert len(text.encode()) < MAX_BYTES // 2
    assert text.count("A rule of the house.") == 150
    assert json.loads(cassette_yaml.deserialize(text)["interactions"][7]["request"]["body"]) in [
        json.loads(one["request"]["body"]) for one in cassette["interactions"]
    ]


def test_the_order_of_answers_leaves_no_trace() -> None:
    interactions = [conversation("b"), conversation("a", "Again, please."), conversation("a"), conversation("c")]
    texts = {
        cassette_yaml.serialize({"version": 1, "interactions": order}) for order in (interactions, interactions[::-1])
    }
    (text,) = texts
    stored = [json.loads(one["request"]["body"]) for one in cassette_yaml.deserialize(text)["interactions"]]
    asked = [[turn["content"] for turn in one["messages"][1:]] for one in stored]
    assert asked == [["a"], ["a", "Again, please."], ["b"], ["c"]]


# What is stored


def test_a_request_keeps_its_meaning_and_loses_the_rest() -> None:
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json", "User-Agent": "u", "Host": "h"}
    live = Request("POST", "https://gpu7.corp:8443/openai/v1/chat/completions?a=1", b"{}", headers)
    stored = trim_request("/openai/v1")(live)
    assert stored.uri == "http://model.test/v1/chat/completions?a=1"
    assert dict(stored.headers) == {"content-type": "application/json"}
    assert (stored.method, stored.body) == ("POST", b"{}")
    assert trim_request()(stored).uri == stored.uri


def test_an_answer_keeps_what_the_client_reads() -> None:
    body = {
        "id": "chatcmpl-Qv7q95Fg7ANM3Tym76suB6whnRk2tFw0",
        "object": "chat.completion",
        "created": 1795298989,
        "model": "m",
        "system_fingerprint": "b0",
        "timings": {"prompt_ms": 4246.796},
        "choices": [
            {"index": 0, "finish_reason": "length", "message": {"content": "“x” ", "tool_calls": [{"id": "t1"}]}}
        ],
        "usage": {"prompt_tokens": 30, "prompt_tokens_details": {"cached_tokens": 24}},
    }
    live = {
        "status": {"code": 429, "message": "Too Many Requests"},
        "headers": {"Content-Type": ["application/json"], "Retry-After": ["2"], "Set-Cookie": ["a"], "Date": ["d"]},
        "body": {"string": json.dumps(body).encode()},
    }
    stored = trim_response(copy.deepcopy(live))
    assert stored["status"] == live["status"]
    assert stored["headers"] == {"content-type": ["application/json"], "retry-after": ["2"]}
    kept = json.loads(stored["body"]["string"])
    assert kept == {
        "id": "chatcmpl-recorded",
        "object": "chat.completion",
        "created": 0,
        **{key: body[key] for key in ("model", "choices", "usage")},
    }
    assert trim_response(copy.deepcopy(stored)) == stored


def test_a_body_that_is_not_json_is_stored_as_it_is() -> None:
    for body in (b"<html>", b"\xff\xfe", b""):
        live = {"status": {"code": 502, "message": ""}, "headers": {}, "body": {"string": body}}
        assert trim_response(live)["body"]["string"] == body


@pytest.mark.parametrize(
    ("test_name", "class_name", "wanted"),
    [
        ("test_plain", None, "test_plain"),
        ("test_plain", "TestGroup", "TestGroup.test_plain"),
        ("test_case[fr-2.5]", None, "test_case-fr-2.5"),
    ],
)
def test_a_cassette_is_named_after_its_test(test_name: str, class_name: str | None, wanted: str) -> None:
    assert cassette_name(test_name, class_name) == wanted


def test_odd_parameters_give_safe_names_that_differ() -> None:
    names = [cassette_name(f"test_case[{odd}]") for odd in ("a/b", "a:b", "a b", "日本", "../..", "x" * 300, "x" * 301)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"test_case-[A-Za-z0-9._-]{1,100}", name) for name in names)


# What matches


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [1, 2]}', '{ "b":[1,2], "a":1.0 }', True),
        ('{"a": "caf\\u00e9"}', '{"a": "café"}', True),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": null}', "{}", False),
        ('{"a": "x "}', '{"a": "x"}', False),
        ("plain", "plain", True),
        ("plain", "other", False),
        ("", "", True),
        ("", "{}", False),
    ],
)
def test_bodies_match_by_their_json_value(one: str, other: str, same: bool) -> None:
    requests = [Request("POST", f"http://h{n}/", body, {}) for n, body in enumerate((one, other))]
    assert json_body(*requests) is same
    assert json_body(*reversed(requests)) is same


# What does not fit


@dataclass
class Tape:
    """A cassette of two questions, watched, and a client to ask them with."""

    cassette: Cassette
    watch: CassetteWatch
    client: AsyncOpenAI

    async def ask(self, text: str) -> str | None:
        messages: Any = [{"role": "system", "content": "Be brief.\nBe right."}, {"role": "user", "content": text}]
        reply = await self.client.chat.completions.create(model="m", messages=messages)
        return reply.choices[0].message.content


@pytest.fixture
async def tape(tmp_path: Path) -> Any:
    path = tmp_path / "talk.yaml"
    cassette = copy.deepcopy(CLEAN)
    (template,) = cassette["interactions"]
    cassette["interactions"] = []
    for text in ("One?", "Two?"):
        interaction = copy.deepcopy(template)
        messages = [{"role": "system", "content": "Be brief.\nBe right."}, {"role": "user", "content": text}]
        interaction["request"]["body"] = json.dumps({"messages": messages, "model": "m"})
        answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": f"{text} Yes."}}]}
        interaction["response"]["body"]["string"] = json.dumps(answer)
        cassette["interactions"].append(interaction)
    path.write_text(cassette_yaml.serialize(cassette), encoding="utf-8")
    vcr = VCR(record_mode="none", before_record_request=trim_request(), before_record_response=trim_response)
    vcr.register_serializer("readable", cassette_yaml)
    vcr.register_matcher("json_body", json_body)
    options: Any = {"serializer": "readable", "match_on": ("method", "path", "json_body")}
    async with AsyncOpenAI(base_url=REPLAY_BASE_URL, api_key=REPLAY_API_KEY, max_retries=0) as client:
        with vcr.use_cassette(str(path), **options) as opened:
            yield Tape(opened, CassetteWatch(opened, "tests/test_x.py::test_talk[a b]"), client)


async def test_answers_come_in_any_order_and_nothing_is_reported(tape: Tape) -> None:
    assert await tape.ask("Two?") == "Two? Yes."
    assert await tape.ask("One?") == "One? Yes."
    assert tape.watch.report(with_unplayed=True) is None


async def test_a_changed_request_is_shown_against_the_nearest(tape: Tape) -> None:
    with pytest.raises(openai.APIConnectionError):
        await tape.ask("Three?")
    report = tape.watch.report(with_unplayed=False)
    assert report is not None
    assert "No recorded answer for POST /v1/chat/completions, 2 messages, the last begins 'Three?'" in report
    assert "--- nearest recorded\n+++ wanted\n" in report
    assert "\n-- content: One?\n+- content: Three?\n" in report
    assert report.endswith("To record again: make rerecord TEST='tests/test_x.py::test_talk[a b]'")


async def test_a_repeated_request_is_a_miss(tape: Tape) -> None:
    assert await tape.ask("One?") == "One? Yes."
    with pytest.raises(openai.APIConnectionError):
        await tape.ask("One?")
    report = tape.watch.report(with_unplayed=False)
    assert report is not None
    assert "more often than it was recorded (1 times)" in report


async def test_an_unplayed_interaction_is_reported(tape: Tape) -> None:
    await tape.ask("Two?")
    report = tape.watch.report(with_unplayed=True)
    assert report is not None
    assert "not played: POST /v1/chat/completions, 2 messages, the last begins 'One?'" in report
    assert "Two?" not in report


def test_the_network_is_blocked() -> None:
    for address in (("127.0.0.1", 9), ("192.0.2.1", 443)):
        with pytest.raises(RuntimeError, match="Network is disabled"):
            connect(*address)


def connect(host: str, port: int) -> None:
    """Open a connection and close it."""
    with socket.socket() as plain:
        plain.settimeout(1)
        plain.connect((host, port))


@pytest.mark.loopback
def test_loopback_is_open_to_tests_that_ask() -> None:
    with ScriptedServer([]) as server:
        connect("127.0.0.1", urlsplit(server.base_url).port or 0)
    with pytest.raises(RuntimeError, match="Network is disabled"):
        connect("192.0.2.1", 443)


# The whole way, with pytest: recorded twice from a scripted server, then replayed by tests that have changed

SUITE = """
import asyncio, os
import pytest
from openai import APIConnectionError, AsyncOpenAI

CHANGED = os.environ.get("CHANGED") == "1"

async def ask(endpoint, *texts):
    async with AsyncOpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0) as client:
        async def one(text):
            messages = [{"role": "user", "content": text}]
            reply = await client.chat.completions.create(model=endpoint.model, messages=messages)
            return reply.choices[0].message.content
        return await asyncio.gather(*(one(text) for text in texts))

@pytest.mark.vcr
async def test_same(cassette_endpoint):
    texts = [f"question {n}" for n in range(6)]
    asked = texts[::-1] if CHANGED else texts
    assert await ask(cassette_endpoint, *asked) == [text.upper() for text in asked]
    assert cassette_endpoint.recording is not CHANGED

@pytest.mark.vcr
@pytest.mark.parametrize("text", ["a/b “c”"])
async def test_odd_name(cassette_endpoint, text):
    assert await ask(cassette_endpoint, text) == [text.upper()]

@pytest.mark.vcr
async def test_changed(cassette_endpoint):
    await ask(cassette_endpoint, "after" if CHANGED else "before")

@pytest.mark.vcr
async def test_survives(cassette_endpoint):
    try:
        await ask(cassette_endpoint, "after" if CHANGED else "before")
    except APIConnectionError:
        pass

@pytest.mark.vcr
async def test_fewer(cassette_endpoint):
    await ask(cassette_endpoint, *(["one"] if CHANGED else ["one", "two"]))

@pytest.mark.vcr
async def test_fails_anyway(cassette_endpoint):
    assert not CHANGED, "for a reason of its own"
    await ask(cassette_endpoint, "one")

@pytest.fixture
async def asked_early(cassette_endpoint):
    await ask(cassette_endpoint, "after" if CHANGED else "before")

@pytest.mark.vcr
async def test_fixture(asked_early):
    pass

@pytest.mark.vcr
async def test_never_recorded(cassette_endpoint):
    if CHANGED:
        await ask(cassette_endpoint, "anything")
"""

CONFTEST = """
pytest_plugins = ["support.cassettes"]

def pytest_configure(config):
    config.option.block_network = True
"""


SETTINGS = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --import-mode=importlib
"""


@dataclass(frozen=True)
class SuiteRun:
    """Cassettes of the two recordings, the replay's failure (or None) of each test, and who owns which cassette."""

    first: dict[str, str]
    second: dict[str, str]
    failures: dict[str, str | None]
    owners: dict[str, list[str]]


def shout(*, first_is_slow: bool) -> Callable[[ReceivedRequest], Step]:
    """Answer with the question in capitals, numbered questions one after the other or in reverse."""

    def step(request: ReceivedRequest) -> Step:
        text = request.json["messages"][0]["content"]
        number = int(text[-1]) if text[-1].isdigit() else 0
        seconds = 0.03 * (6 - number if first_is_slow else number)
        return delay(seconds, completion(text.upper(), model=request.json["model"]))

    return step


@pytest.fixture(scope="module")
def suite_run(tmp_path_factory: pytest.TempPathFactory) -> SuiteRun:
    directory = tmp_path_factory.mktemp("suite")
    (directory / "tests").mkdir()
    (directory / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (directory / "tests" / "test_sample.py").write_text(SUITE, encoding="utf-8")
    (directory / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    run = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=result.xml", "tests")

    def record(*, first_is_slow: bool) -> dict[str, str]:
        with ScriptedServer(shout(first_is_slow=first_is_slow)) as server:
            address = server.base_url.removesuffix("/v1") + "/behind/a/proxy/v1"
            named = {"SUMMARISE_RECORD_BASE_URL": address, "SUMMARISE_RECORD_API_KEY": "sk-secret-0123456789abcdef"}
            done = run_python(
                *run, "--record-mode=rewrite", directory=directory, SUMMARISE_RECORD_MODEL="loud", **named
            )
        assert done.returncode == 0, done.stdout + done.stderr
        files = (directory / "cassettes").rglob("*.yaml")
        return {path.relative_to(directory).as_posix(): path.read_bytes().decode() for path in files}

    first, second = record(first_is_slow=False), record(first_is_slow=True)
    run_python(*run, directory=directory, CHANGED="1")
    failures: dict[str, str | None] = {}
    for case in ET.parse(directory / "result.xml").iter("testcase"):
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        failures[case.attrib["name"].partition("[")[0]] = None if bad is None else (bad.text or "")
    return SuiteRun(first, second, failures, collect(["tests"], directory))


def test_recording_gives_clean_cassettes_in_their_places(suite_run: SuiteRun) -> None:
    names = {Path(path).stem.partition("-")[0] for path in suite_run.first}
    assert {Path(path).parent.as_posix() for path in suite_run.first} == {"cassettes/test_sample"}
    recorded = {"test_same", "test_odd_name", "test_changed", "test_survives", "test_fewer", "test_fixture"}
    assert names == recorded | {"test_fails_anyway"}
    assert {path: problems_in(text) for path, text in suite_run.first.items() if problems_in(text)} == {}
    everything = "".join(suite_run.first.values())
    assert "secret" not in everything
    assert "127.0.0.1" not in everything
    assert "proxy" not in everything
    assert "uri: http://model.test/v1/chat/completions" in everything


def test_each_cassette_is_known_by_the_test_that_wrote_it(suite_run: SuiteRun) -> None:
    assert set(suite_run.owners) - set(suite_run.first) == {"cassettes/test_sample/test_never_recorded.yaml"}
    assert set(suite_run.first) <= set(suite_run.owners)
    assert suite_run.owners["cassettes/test_sample/test_same.yaml"] == ["tests/test_sample.py::test_same"]


def test_recording_again_changes_nothing(suite_run: SuiteRun) -> None:
    assert suite_run.first == suite_run.second


def test_a_replay_needs_no_server(suite_run: SuiteRun) -> None:
    assert suite_run.failures["test_same"] is None
    assert suite_run.failures["test_odd_name"] is None


@pytest.mark.parametrize("name", ["test_changed", "test_survives", "test_fixture"])
def test_a_changed_request_fails_the_test_with_a_diff(suite_run: SuiteRun, name: str) -> None:
    failure = suite_run.failures[name]
    assert failure is not None
    assert re.search(r"-- content: before\n\+- content: after", failure)
    assert f"To record again: make rerecord TEST=tests/test_sample.py::{name}" in failure


def test_an_unplayed_interaction_fails_the_test(suite_run: SuiteRun) -> None:
    failure = suite_run.failures["test_fewer"]
    assert failure is not None
    assert "This recorded interaction was not played: POST /v1/chat/completions" in failure
    assert "'two'" in failure


def test_a_failure_of_the_tests_own_is_left_alone(suite_run: SuiteRun) -> None:
    failure = suite_run.failures["test_fails_anyway"]
    assert failure is not None
    assert "for a reason of its own" in failure
    assert "not played" not in failure


def test_a_missing_cassette_is_told(suite_run: SuiteRun) -> None:
    failure = suite_run.failures["test_never_recorded"]
    assert failure is not None
    assert "The cassette is missing or empty." in failure


def test_token_probabilities_are_one_line_each_and_come_back() -> None:
    tokens = [{"id": 7, "token": '{"', "logprob": -0.123456, "bytes": [123], "top_logprobs": []}]
    tokens[0]["top_logprobs"] = [{"id": 1, "token": "a\n", "logprob": lp, "bytes": None} for lp in (-0.1, -9.0)]
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "x"}, "logprobs": {"content": tokens}}
    body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
    live = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": body}}
    stored = trim_response(live)
    request = {"method": "POST", "uri": "http://model.test/v1/x", "headers": {}, "body": b"{}"}
    text = cassette_yaml.serialize({"version": 1, "interactions": [{"request": request, "response": stored}]})
    assert text.count("-0.1235") == 1
    assert "-9.0" not in text
    again = cassette_yaml.deserialize(text)["interactions"][0]["response"]
    assert json.loads(again["body"]["string"]) == json.loads(stored["body"]["string"])
    kept = json.loads(again["body"]["string"])["choices"][0]["logprobs"]["content"][0]
    assert kept["token"] == '{"'
    assert [top["logprob"] for top in kept["top_logprobs"]] == [-0.1]
