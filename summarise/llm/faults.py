"""Third-party errors into ours, in one place, by walking the causes.

Invariant: a message made here holds the endpoint's address, the model's name, the HTTP status and the first words
of what the server said, never a document, a completion or a key: words that repeat any of these are left out.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import openai

from summarise.errors import (
    AuthenticationError,
    ConfigurationError,
    ContextOverflowError,
    EndpointUnavailableError,
    InvalidAnswerError,
    QuotaError,
    RateLimitError,
    RefusedError,
    SummariseError,
    UnknownModelError,
)

RETRYABLE_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524, 529})
_OVERFLOW_MARKS = (
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
)
_QUOTA_MARKS = ("insufficient_quota", "exceeded your current quota", "billing")
_SAID_CHARACTERS = 120
_TELLING = 14
"""So many characters that also stand in a document are taken to come from there."""
_FILTER_MARKS = ("content_filter", "content_policy", "content management policy")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, outermost first, each once."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def is_retryable(error: BaseException) -> bool:
    """Whether sending the same request again may help."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in RETRYABLE_STATUS and not is_quota(error)
    return isinstance(error, openai.APIConnectionError | openai.APIResponseValidationError | json.JSONDecodeError)


def is_quota(error: openai.APIStatusError) -> bool:
    """Whether the endpoint says that the money is used up, which no waiting mends (402 is what some gateways use)."""
    return error.status_code == 402 or (error.status_code == 429 and _says(error, _QUOTA_MARKS))


def rejected_parameter(error: openai.APIStatusError, optional: frozenset[str]) -> str | None:
    """The optional request parameter a 400 or 422 complains about, if it is one of ``optional``."""
    if error.status_code not in {400, 422} or _says(error, _OVERFLOW_MARKS):
        return None
    param = _body(error).get("param")
    if isinstance(param, str) and param.split(".")[0] in optional:
        return param.split(".")[0]
    words = _words(error)
    return next((name for name in sorted(optional, key=len, reverse=True) if name in words), None)


def translate(
    error: Exception, *, base_url: str, model: str, seconds: float, request: Mapping[str, Any] | None = None
) -> SummariseError:
    """Our error for one raised by the client stack; an error of ours in the causes comes first.

    The server is quoted only if ``request``, the chat request it was about, is given, so that its texts can be told.
    """
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, SummariseError):
            return cause
    for cause in chain:
        if isinstance(cause, openai.APIStatusError):
            return _from_status(cause, base_url, model, _quoted(cause, request))
        if isinstance(cause, openai.APITimeoutError | TimeoutError) and not _lost_connection(chain):
            return EndpointUnavailableError(
                f"{base_url} gave no answer within {seconds:g} s; raise --timeout or try a faster model"
            )
        if isinstance(cause, openai.APIResponseValidationError | json.JSONDecodeError):
            return EndpointUnavailableError(
                f"{base_url} answers, but not like an OpenAI-compatible endpoint; check --base-url (it ends in /v1)"
            )
        if isinstance(cause, openai.APIConnectionError):
            return EndpointUnavailableError(
                f"no usable answer from {base_url} ({_innermost(chain)}); is the server running? check --base-url"
            )
    return InvalidAnswerError(f"the answer of {model} could not be used ({type(chain[-1]).__name__}); try again")


def first_words(error: openai.APIStatusError, request: Mapping[str, Any]) -> str:
    """The first words of the server's message on one line; none if they repeat the request's text or may have a key."""
    body = _body(error)
    # OpenAI and those who follow it; FastAPI's servers; Ollama, whose error is a text, as are pages of proxies.
    message = next((found for found in (body.get("message"), body.get("detail"), error.body) if found), None)
    if not isinstance(message, str) or message.startswith("<") or error.status_code in {401, 403}:
        return ""
    words = "".join(character for character in " ".join(message.split()) if character.isprintable())
    if len(words) > _SAID_CHARACTERS:
        words = words[:_SAID_CHARACTERS].rsplit(" ", 1)[0] + " …"
    texts = [each.get("content") or "" for each in request["messages"] if each["role"] != "system"]
    private = " ".join(" ".join(texts).split()).casefold()
    said = words.casefold()
    if any(said[at : at + _TELLING] in private for at in range(max(1, len(said) - _TELLING + 1))):
        return ""
    return words


def _quoted(error: openai.APIStatusError, request: Mapping[str, Any] | None) -> str:
    words = first_words(error, request) if request is not None else ""
    return f": “{words}”" if words else ""


def _from_status(error: openai.APIStatusError, base_url: str, model: str, said: str) -> SummariseError:
    about_document = _from_document(error, model, said)
    if about_document is not None:
        return about_document
    status = error.status_code
    words = _words(error)
    unknown = "model" in words and ("not found" in words or "does not exist" in words)
    if status in {401, 403}:
        return AuthenticationError(
            f"{base_url} refused the key (HTTP {status}); set OPENAI_API_KEY or SUMMARISE_API_KEY to a valid one"
        )
    if status == 404 or (unknown and status < 429):
        return UnknownModelError(
            f"{base_url} has no model {model!r} (HTTP {status}{said}); "
            "`summarise doctor` lists what it has; check --model"
        )
    if status == 429 or is_quota(error):
        return _limited(error, base_url, said)
    if status in RETRYABLE_STATUS or status >= 500:
        return EndpointUnavailableError(f"{base_url} fails (HTTP {status}{said}) after every retry; try again later")
    return ConfigurationError(
        f"{base_url} did not accept the request (HTTP {status}{said}); check --model and --base-url"
    )


def _limited(error: openai.APIStatusError, base_url: str, said: str) -> RateLimitError:
    if is_quota(error):
        return QuotaError(
            f"{base_url}: the quota is used up (HTTP {error.status_code}{said}); check the account, then run again"
        )
    return RateLimitError(
        f"{base_url}: the rate is still limited after every retry (HTTP 429{said}); wait, then run again"
    )


def _from_document(error: openai.APIStatusError, model: str, said: str) -> SummariseError | None:
    """The error if it is this document the endpoint complains about."""
    if _says(error, _FILTER_MARKS):
        return RefusedError(
            f"{model} refused: the content filter declined this document (HTTP {error.status_code}{said}); "
            "try another model"
        )
    if (error.status_code < 429 and _says(error, _OVERFLOW_MARKS)) or error.status_code == 413:
        return ContextOverflowError(
            f"the text is too long for the context of {model}{_overflow_figures(error, said)}; "
            "set --context-tokens to the model's real context, or use a model with a longer one"
        )
    return None


def _overflow_figures(error: openai.APIStatusError, said: str) -> str:
    body = _body(error)
    asked, room = body.get("n_prompt_tokens"), body.get("n_ctx")
    return f" ({asked} tokens asked, {room} fit)" if asked and room else f" (HTTP {error.status_code}{said})"


def _body(error: openai.APIStatusError) -> dict[str, Any]:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error")
        return inner if isinstance(inner, dict) else body
    return {}


def _words(error: openai.APIStatusError) -> str:
    return json.dumps(error.body, ensure_ascii=False, default=str).lower()


def _says(error: openai.APIStatusError, marks: tuple[str, ...]) -> bool:
    words = _words(error)
    return any(mark in words for mark in marks)


def _lost_connection(chain: list[BaseException]) -> bool:
    """Whether a connection was refused or dropped, which the SDK's transport takes for a timeout too."""
    return any(
        isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError) for cause in chain
    )


def _innermost(chain: list[BaseException]) -> str:
    """A few words for what went wrong at the bottom, without the address."""
    for cause in reversed(chain):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return "the host's name is not known"
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            return os.strerror(cause.errno).lower()
    return type(chain[-1]).__name__
