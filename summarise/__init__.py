"""Documents into structured summaries a person can check.

The public names load on first use, so that importing the package (and ``summarise --help``)
stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from summarise.batch.events import BatchReport as BatchReport
    from summarise.batch.options import BatchOptions as BatchOptions
    from summarise.batch.run import asummarise_batch as asummarise_batch
    from summarise.batch.run import summarise_batch as summarise_batch
    from summarise.documents import Document as Document
    from summarise.errors import SummariseError as SummariseError
    from summarise.extract.asking import Progress as Progress
    from summarise.llm.endpoint import open_model as open_model
    from summarise.pipeline import asummarise as asummarise
    from summarise.pipeline import summarise as summarise
    from summarise.pipeline import summarise_document as summarise_document
    from summarise.schemas import Record as Record
    from summarise.settings import Settings as Settings

__version__ = "0.1.0"

_HOMES = {
    "BatchOptions": "summarise.batch.options",
    "BatchReport": "summarise.batch.events",
    "Document": "summarise.documents",
    "Progress": "summarise.extract.asking",
    "Record": "summarise.schemas",
    "Settings": "summarise.settings",
    "SummariseError": "summarise.errors",
    "asummarise": "summarise.pipeline",
    "asummarise_batch": "summarise.batch.run",
    "open_model": "summarise.llm.endpoint",
    "summarise": "summarise.pipeline",
    "summarise_batch": "summarise.batch.run",
    "summarise_document": "summarise.pipeline",
}
__all__ = [
    "BatchOptions",
    "BatchReport",
    "Document",
    "Progress",
    "Record",
    "Settings",
    "SummariseError",
    "__version__",
    "asummarise",
    "asummarise_batch",
    "open_model",
    "summarise",
    "summarise_batch",
    "summarise_document",
]


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415  # only needed once, on first use of a public name

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
