"""Every error the program raises on purpose.

The tree, with the exit code of each branch (the table users see is in docs/errors.md)::

    SummariseError (1)
    ├── UsageError (2)                 the command line or the call was wrong
    │   ├── OutputExistsError          the output file is there and --force was not given
    │   └── JournalBusyError           another run is writing the results file
    ├── ConfigurationError (3)         settings, keys, models
    │   ├── AuthenticationError        the endpoint refused the key
    │   ├── UnknownModelError          the endpoint or the registry has no such model
    │   ├── AssetError                 the embedded model cannot be fetched or is not whole
    │   ├── JournalVersionError        a newer version wrote the results file
    │   └── JournalDamagedError        the results file is damaged, or not one of ours
    ├── EndpointUnavailableError (4)   nobody answers, or only with failures
    │   └── RateLimitError             still limited after every retry
    │       └── QuotaError             the money is used up; no waiting mends it
    └── DocumentError (1)              this document failed; others may go on
        ├── UnreadableDocumentError    missing, empty, a folder, not text, not permitted
        ├── ContextOverflowError       longer than the model's context
        ├── RefusedError               the model or its content filter declined
        ├── TruncatedAnswerError       the answer was cut at the token limit, twice
        ├── InvalidAnswerError         no valid answer after every re-ask
        └── StorageError               a result could not be written

Invariant: a message carries file names, ids and counts, never document text, completions or keys,
and says what to do next.
"""

from __future__ import annotations

from typing import ClassVar, Literal

UnreadableCause = Literal["unreadable", "empty", "too_large", "vanished"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 3
EXIT_ENDPOINT = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class SummariseError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line ends with."""

    exit_code: ClassVar[int] = EXIT_FAILED


class UsageError(SummariseError):
    """The command line or the call was wrong."""

    exit_code = EXIT_USAGE


class OutputExistsError(UsageError):
    """The output file is there already."""


class JournalBusyError(UsageError):
    """Another run is writing the results file."""


class ConfigurationError(SummariseError):
    """Settings, keys or models are not right."""

    exit_code = EXIT_CONFIGURATION


class AuthenticationError(ConfigurationError):
    """The endpoint refused the key."""


class UnknownModelError(ConfigurationError):
    """Neither the registry nor the endpoint has a model of that name."""


class AssetError(ConfigurationError):
    """The embedded model cannot be fetched, or its bytes are not the right ones."""


class JournalVersionError(ConfigurationError):
    """The results file was written by a newer version."""


class JournalDamagedError(ConfigurationError):
    """The results file is damaged, or is not a results file; it was left as it is."""


class EndpointUnavailableError(SummariseError):
    """Nobody answers at the endpoint, or it answers only with failures."""

    exit_code = EXIT_ENDPOINT


class RateLimitError(EndpointUnavailableError):
    """The endpoint still limits the rate after every retry."""


class QuotaError(RateLimitError):
    """The account's quota is used up: every further request would fail too."""


class DocumentError(SummariseError):
    """One document failed; others may go on."""


class UnreadableDocumentError(DocumentError):
    """The document is missing, empty, a folder, not text, or not permitted to be read.

    ``cause`` tells kinds apart that a batch counts: ``empty``, ``too_large``, ``vanished`` (not there, or not
    there any more), and ``unreadable`` for all others.
    """

    def __init__(self, message: str, *, cause: UnreadableCause = "unreadable") -> None:
        super().__init__(message)
        self.cause: UnreadableCause = cause


class ContextOverflowError(DocumentError):
    """The text is longer than the model's context."""


class RefusedError(DocumentError):
    """The model, or the filter in front of it, declined to answer."""


class TruncatedAnswerError(DocumentError):
    """The answer was cut at the token limit, and again at the raised limit."""


class InvalidAnswerError(DocumentError):
    """The answer did not fit the schema after every re-ask."""


class StorageError(DocumentError):
    """A result could not be written (no space left, no permission)."""
