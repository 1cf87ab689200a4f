"""Shared beginnings of prompts: computed once, kept in a folder, put back before every question.

The embedded server is played by the scripted one, which does with the folder what llama.cpp's does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.server import ReceivedRequest, ScriptedServer, Step, answer, completion, status

from summarise.llm.capability import Capability
from summarise.llm.prefixes import KEPT, PrefixedTransport, prefixes_of
from summarise.llm.transport import Endpoint, Limits
from summarise.llm.usage import Meter

Start = Callable[..., ScriptedServer]


class Slots:
    """The script of a server with one slot: notes what it was asked for, keeps and puts back files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[str] = []
        self.can_save = True

    def __call__(self, request: ReceivedRequest) -> Step:
        path, _, action = request.path.partition("?action=")
        if path != "/slots/0":
            self.seen.append("opening" if request.json["max_tokens"] == 1 else "question")
            return completion("yes")
        self.seen.append(action)
        if action == "erase":
            return answer({"n_erased": 1})
        file = self.folder / request.json["filename"]
        if action == "save" and self.can_save:
            file.write_text("state", encoding="ascii")
            return answer({"n_saved": 1})
        if action == "restore" and file.read_text(encoding="ascii") == "state":
            return answer({"n_restored": 1})
        return status(400)


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    return Slots(tmp_path / "prefixes")


def transport(server: ScriptedServer, slots: Slots, *, engine: str = "1") -> PrefixedTransport:
    endpoint = Endpoint(base_url=server.base_url, api_key="k", model="m", embedded=True)
    prefixes = prefixes_of(slots.folder, slots.folder.parent / "model.gguf", engine)
    return PrefixedTransport(endpoint, Limits(10, 1, 10), prefixes=prefixes)


async def ask(sender: PrefixedTransport, system: str = "Be brief.", user: str = "Is it so?") -> Meter:
    meter = Meter()
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    request: dict[str, Any] = {"model": "m", "messages": messages, "max_tokens": 5, "logprobs": True}
    got = await sender.chat(request, Capability(form="json_schema"), meter)
    assert got.choices[0].message.content == "yes"
    return meter


async def test_a_beginning_is_computed_once_and_put_back_for_every_question(
    scripted_server: Start, slots: Slots
) -> None:
    sender = transport(scripted_server(slots), slots)
    meter = await ask(sender)
    await ask(sender, user="And so?")
    assert slots.seen == ["erase", "opening", "save", "question", "restore", "question"]
    assert meter.requests == 1, "the beginning belongs to no document"
    await sender.close()


async def test_a_new_process_finds_it_and_another_engine_does_not(scripted_server: Start, slots: Slots) -> None:
    server = scripted_server(slots)
    for engine in ("1", "1", "2"):
        sender = transport(server, slots, engine=engine)
        await ask(sender)
        await sender.close()
    assert slots.seen.count("opening") == 2
    assert len(list(slots.folder.iterdir())) == 2


async def test_a_damaged_file_is_computed_again(scripted_server: Start, slots: Slots) -> None:
    sender = transport(scripted_server(slots), slots)
    await ask(sender)
    (file,) = slots.folder.iterdir()
    file.write_text("half", encoding="ascii")
    await ask(sender)
    assert slots.seen[4:] == ["restore", "erase", "opening", "save", "question"]
    assert file.read_text(encoding="ascii") == "state"
    await sender.close()


async def test_a_server_that_cannot_save_still_answers(scripted_server: Start, slots: Slots) -> None:
    slots.can_save = False
    sender = transport(scripted_server(slots), slots)
    await ask(sender)
    assert slots.seen[-1] == "question"
    assert not list(slots.folder.iterdir())
    await sender.close()


async def test_files_used_least_recently_go(scripted_server: Start, slots: Slots) -> None:
    slots.folder.mkdir()
    for age in range(KEPT + 3):
        file = slots.folder / f"{age:03}.bin"
        file.write_text("state", encoding="ascii")
        os.utime(file, (10_000 - age, 10_000 - age))
    sender = transport(scripted_server(slots), slots)
    await ask(sender)
    left = {file.name for file in slots.folder.iterdir()}
    assert len(left) == KEPT
    assert "000.bin" in left and f"{KEPT:03}.bin" not in left
    await sender.close()


def test_a_folder_that_cannot_be_made_means_no_prefixes(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "file").write_text("in the way", encoding="ascii")
    assert prefixes_of(tmp_path / "file" / "prefixes", tmp_path / "model.gguf", "1") is None
