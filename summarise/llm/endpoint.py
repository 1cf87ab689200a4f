"""Opening the model the settings ask for: a remote endpoint, or the embedded one on loopback.

Invariant: after this module nothing knows which of the two it is talking to. The embedded server is
started only here, only when needed, and is stopped on every way out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from summarise.assets import DEFAULT_MODEL, PullProgress, find, model_path, models, pull
from summarise.errors import ConfigurationError
from summarise.llm.capability import Capability, CapabilityStore
from summarise.llm.client import LanguageModel, Sampling
from summarise.llm.pacing import NO_PACE, Pace
from summarise.llm.prefixes import PrefixedTransport, Prefixes, prefixes_of
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.settings import Settings

OPENAI_BASE_URL = "https://api.openai.com/v1"
EMBEDDED_CONTEXT = 8192
"""Tokens of context the embedded model is started with; its cache of this size takes about 230 MB."""
REMOTE_CONTEXT = 32768
"""Assumed where the settings do not say: the smallest context in common use for hosted models."""


def uses_embedded(settings: Settings) -> bool:
    """Whether these settings mean the embedded model: no address given, and its name or no key."""
    if settings.base_url is not None:
        return False
    if settings.model is not None:
        return _is_registered(settings.model) or settings.model.endswith(".gguf")
    return settings.api_key is None


def context_of(settings: Settings) -> int:
    """The context in tokens that chunks are cut for."""
    return settings.context_tokens or (EMBEDDED_CONTEXT if uses_embedded(settings) else REMOTE_CONTEXT)


@asynccontextmanager
async def open_model(
    settings: Settings,
    *,
    notify: Callable[[str], None] = lambda _: None,
    on_pull: Callable[[PullProgress], None] = lambda _: None,
    pace: Pace = NO_PACE,
) -> AsyncIterator[LanguageModel]:
    """Make the model ready, yield it, and put everything away.

    Args:
        settings: which model, where.
        notify: told once, in words, if the embedded model is used or must be fetched.
        on_pull: told how far the fetching of the embedded model has got.
        pace: how fast requests may go out, shared by all documents of a run.

    Raises:
        ConfigurationError: if the settings do not name a model, or the model cannot be fetched.
    """
    async with AsyncExitStack() as stack:
        limits = Limits(settings.timeout, settings.attempts, settings.retry_seconds)
        transport: Transport
        if uses_embedded(settings):
            endpoint, prefixes = _start_embedded(settings, stack, notify, on_pull)
            capability, store = Capability(form="json_schema"), None
            transport = PrefixedTransport(endpoint, limits, pace, prefixes=prefixes)
        else:
            endpoint = _remote(settings)
            store = CapabilityStore(settings.cache_dir)
            capability = store.load(endpoint.base_url, endpoint.model)
            transport = Transport(endpoint, limits, pace)
        stack.push_async_callback(transport.close)
        model = LanguageModel(transport, Sampling(settings.temperature, settings.seed, settings.reasks), capability)
        yield model
        if store is not None and capability.form is not None:
            store.save(endpoint.base_url, endpoint.model, capability)


def _remote(settings: Settings) -> Endpoint:
    if settings.model is None:
        raise ConfigurationError("no model named for this endpoint; pass --model NAME or set SUMMARISE_MODEL")
    if settings.base_url is None and settings.api_key is None:
        raise ConfigurationError(
            f"{settings.model!r} is not an embedded model and there is no endpoint for it; "
            "pass --base-url or set OPENAI_API_KEY (`summarise models list` shows the embedded ones)"
        )
    key = settings.api_key.get_secret_value() if settings.api_key else "none"
    return Endpoint(
        base_url=settings.base_url or OPENAI_BASE_URL,
        api_key=key,
        model=settings.model,
        context_tokens=settings.context_tokens,
        parallel=settings.parallel,
    )


def _start_embedded(
    settings: Settings,
    stack: AsyncExitStack,
    notify: Callable[[str], None],
    on_pull: Callable[[PullProgress], None],
) -> tuple[Endpoint, Prefixes | None]:
    # Loaded here: the engine brings a native library that remote users need not have installed.
    from summarise.llm.engine import EmbeddedServer, engine_version  # noqa: PLC0415

    path = fetch_embedded(settings, notify, on_pull)
    context = settings.context_tokens or EMBEDDED_CONTEXT
    prefixes = prefixes_of(settings.cache_dir / "prefixes", path, f"{engine_version()} {context} {settings.threads}")
    server = stack.enter_context(
        EmbeddedServer(
            path,
            context_tokens=context,
            threads=settings.threads,
            prefix_folder=prefixes.folder if prefixes else None,
        )
    )
    model = settings.model or DEFAULT_MODEL
    endpoint = Endpoint(
        base_url=server.base_url,
        api_key=server.api_key,
        model=find(model).name if _is_registered(model) else path.stem,
        embedded=True,
        context_tokens=context,
    )
    return endpoint, prefixes


def fetch_embedded(
    settings: Settings,
    notify: Callable[[str], None],
    on_pull: Callable[[PullProgress], None],
) -> Path:
    """The embedded model's file, fetched if it is not there yet.

    Raises:
        ConfigurationError: if the settings name a file that does not exist.
        AssetError: if it cannot be fetched or is not whole.
    """
    folder = settings.cache_dir / "models"
    if settings.model is not None and not _is_registered(settings.model):
        named = model_path(settings.model, folder)
        if named is None:
            raise ConfigurationError(f"{settings.model}: no such model file; check --model")
        return named
    asset = find(settings.model or DEFAULT_MODEL)
    path = model_path(asset.name, folder)
    if path is None:
        notify(f"fetching the embedded model {asset.name} ({asset.size / 1e9:.1f} GB, once)")
        path = pull(asset, folder, progress=on_pull)
    if settings.model is None:
        notify(f"no key and no endpoint given: using the embedded model {asset.name}")
    return path


def _is_registered(name: str) -> bool:
    return any(name in (asset.name, asset.alias) for asset in models())
