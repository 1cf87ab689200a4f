"""Why a document failed, as one word of a fixed list.

Invariant: every error that can end a document's work has exactly one cause, so a count by cause adds up to
the failed documents.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from summarise.errors import (
    ConfigurationError,
    ContextOverflowError,
    EndpointUnavailableError,
    InvalidAnswerError,
    RateLimitError,
    RefusedError,
    StorageError,
    SummariseError,
    TruncatedAnswerError,
    UnreadableDocumentError,
    UsageError,
)
from summarise.journal.rows import Cause

_CAUSES: tuple[tuple[type[SummariseError], Cause], ...] = (
    (ContextOverflowError, "too_long"),
    (RefusedError, "refused"),
    (TruncatedAnswerError, "truncated"),
    (InvalidAnswerError, "invalid_answer"),
    (StorageError, "storage"),
    (RateLimitError, "rate_limited"),
    (EndpointUnavailableError, "endpoint"),
    (ConfigurationError, "endpoint"),  # one request was not accepted while others are
    (UsageError, "unreadable"),  # an encoding that does not exist
)
MESSAGE_CHARS = 300
"""The journal keeps the first words of a message, no more."""


def cause_of(error: BaseException) -> Cause:
    """The cause of a document's failure; anything that is not an error of ours is a bug."""
    if isinstance(error, UnreadableDocumentError):
        cause: Cause = getattr(error, "cause", "unreadable")
        return cause
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), "bug")


def message_of(error: BaseException, source: str) -> str:
    """The error's first words, without the document's name in front, which the journal has already.

    A bug's own message may quote a document, so only its type and place are told.
    """
    if not isinstance(error, SummariseError):
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return f"a bug of ours ({type(error).__name__}{place}); please report it"
    return str(error).removeprefix(f"{source}: ")[:MESSAGE_CHARS]
