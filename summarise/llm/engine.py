"""The embedded model: llama.cpp's own server, run inside this process on the loopback interface.

Invariant: while the context is open, one server listens on a port of 127.0.0.1 that the system chose
and answers only requests with a key drawn for it; when it closes, however it closes, the port, the
threads and the memory are given back. Nothing native writes to the terminal.

Source of the settings: llama.cpp's server as packaged by ``xllamacpp``; docs/performance.md has
the measurements that chose them.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import importlib.metadata
import os
import re
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from summarise.errors import AssetError, ConfigurationError

GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_MAGIC = b"GGUF"
_LOOPBACK = "127.0.0.1"
_SILENT = 0
_BATCH_TOKENS = 512
_PROMPT_CACHE_MIB = 512
_HTTP_THREADS_BESIDE_SLOTS = 3
_BUSY = re.compile(r"^llamacpp:requests_(?:processing|deferred) (\d+)", re.MULTILINE)


def physical_cores() -> int:
    """How many processor cores this process may use, two hardware threads of a core counted once."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = set()
    for number in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text(encoding="ascii").strip())
        except OSError:
            return len(allowed)
    return len(cores)


def check_model_file(path: Path) -> None:
    """Look at the file before native code does.

    Raises:
        AssetError: if it cannot be read, is not in the GGUF format, or is larger than the memory
            that is free.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(_MAGIC))
        size = path.stat().st_size
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror}); check the path, or pull the model") from error
    if magic != _MAGIC:
        raise AssetError(f"{path}: not a model in the GGUF format; pull the model again or name another file")
    free = _free_memory()
    if free is not None and free < size:
        raise AssetError(
            f"{path}: needs about {size / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "close other programs or choose a smaller model"
        )


def _free_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not say."""
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", table, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


class EmbeddedServer:
    """A context manager: inside it, an OpenAI-compatible endpoint serves ``model_path``.

    ``context_tokens`` is the context of each of the ``parallel`` requests served at once, prompt and
    answer together; a longer prompt is answered with HTTP 400, type ``exceed_context_size_error``.
    ``threads`` defaults to the physical cores. With ``reuse_prompts`` the beginning a prompt shares
    with an earlier one is not computed again: faster, but the last digits of the arithmetic then
    depend on the requests before, so an answer may too. Without it and with ``parallel`` 1, the
    answer at temperature 0 depends on the request alone; so it does with ``prefix_folder``, where
    computed beginnings can be saved and put back (:mod:`summarise.llm.prefixes`).

    Raises on entering:
        ConfigurationError: if the extra ``local`` is not installed.
        AssetError: if the file is not a model that can be loaded.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        context_tokens: int = 8192,
        parallel: int = 1,
        threads: int | None = None,
        reuse_prompts: bool = True,
        prefix_folder: Path | None = None,
    ) -> None:
        self.model_path = model_path
        self.context_tokens = context_tokens
        self.parallel = parallel
        self.threads = threads or physical_cores()
        self.reuse_prompts = reuse_prompts
        self.prefix_folder = prefix_folder
        self.api_key = secrets.token_urlsafe(32)
        self._server: Any = None
        self._address = ""

    def __repr__(self) -> str:
        return f"EmbeddedServer({self.model_path.name}, {self._address or 'stopped'})"

    @property
    def base_url(self) -> str:
        """The endpoint, as an OpenAI client wants it.

        Raises:
            RuntimeError: outside the context.
        """
        if not self._address:
            raise RuntimeError("the embedded server is not running; use it in a with statement")
        return f"{self._address}/v1"

    def __enter__(self) -> EmbeddedServer:
        if self._server is not None:
            raise RuntimeError("the embedded server is running already")
        check_model_file(self.model_path)
        engine = _import_engine()
        # Registered first: an exit between the two lines stops nothing rather than leaving a server.
        atexit.register(self.stop)
        try:
            self._server = engine.Server(self._parameters(engine))
        except RuntimeError as error:
            atexit.unregister(self.stop)
            raise AssetError(
                f"{self.model_path}: the model cannot be loaded; the file may be damaged or cut short, of a "
                "kind this xllamacpp does not know, or too large for the memory: pull it again or choose another"
            ) from error
        # The server returns before its loop runs, and one stopped before that never ends: the loop's first
        # act is to undo the stop (server_queue::start_loop, seen in xllamacpp 2026.10.11549). An answer to
        # a question that goes through the loop shows that it runs.
        self._server.handle_metrics()
        self._address = str(self._server.listening_address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and give memory and port back; does nothing the second time.

        Close the clients first: a request still being answered is waited for, :data:`GRACE_SECONDS` at
        most, and then the server is left to end with the process.
        """
        atexit.unregister(self.stop)
        self._address = ""
        server, self._server = self._server, None
        if server is not None and not _falls_idle(server):
            _leave_running(server)
        # Otherwise the native server stops, and joins its threads, as its last reference goes here.

    def _parameters(self, engine: Any) -> Any:
        """llama.cpp's settings; those not named here are its defaults."""
        parameters = engine.CommonParams()
        parameters.model.path = str(self.model_path)
        parameters.model_alias = {self.model_path.stem}
        parameters.hostnames = [_LOOPBACK]
        parameters.port = 0
        parameters.api_keys = [self.api_key]
        parameters.verbosity = _SILENT
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.endpoint_metrics = True
        # A request that was given up is noticed between batches: 512 tokens are about ten seconds of prompt.
        parameters.n_batch = _BATCH_TOKENS
        parameters.n_threads_http = self.parallel + _HTTP_THREADS_BESIDE_SLOTS
        parameters.n_parallel = self.parallel
        # Divided among the slots, so that each has its own context_tokens.
        parameters.n_ctx = self.context_tokens * self.parallel
        parameters.kv_unified = False
        parameters.cache_prompt = self.reuse_prompts
        # llama.cpp would keep up to 8 GiB of earlier prompts. Beside saved beginnings it keeps none: it would put
        # back an earlier prompt that happens to share more.
        keeps_prompts = self.reuse_prompts and self.prefix_folder is None
        parameters.cache_ram_mib = _PROMPT_CACHE_MIB if keeps_prompts else 0
        if self.prefix_folder is not None:
            parameters.slot_save_path = f"{self.prefix_folder}{os.sep}"
        parameters.cpuparams.n_threads = self.threads
        parameters.cpuparams_batch.n_threads = self.threads
        parameters.warmup = False
        return parameters


def _falls_idle(server: Any) -> bool:
    """Whether the server has nothing more to answer, now or within :data:`GRACE_SECONDS`."""
    deadline = time.monotonic() + GRACE_SECONDS
    while any(int(count) for count in _BUSY.findall(server.handle_metrics())):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _leave_running(server: Any) -> None:
    """Keep the native server for ever: destroyed in the middle of an answer it waits without end.

    Seen in xllamacpp 2026.10.11549: the loop has stopped, and the request waits for it. A reference
    nobody gives back keeps even the interpreter's own end from destroying it.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))


def engine_version() -> str:
    """The version of the engine, as packaged; empty where it is not installed."""
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _import_engine() -> Any:
    """The module ``xllamacpp``: a hundred megabytes, optional, so imported only when it is to run."""
    # Read once, when the native library is loaded. By default its threads spin while they wait for each
    # other, and on a machine with other work to do the spinning threads take each other's processor:
    # 1.7 answer tokens a second in place of 6.7 (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as error:
        raise ConfigurationError(
            "the embedded model needs the package xllamacpp: pip install 'summarise[local]', "
            "or name an endpoint with --base-url"
        ) from error
