"""Documents into structured summaries a person can check.

The public names load on first use, so that importing the package (and ``summarise --help``)
stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    "Document": "summarise.documents",
    "Progress": "summarise.extract.asking",
    "Record": "summarise.schemas",
    "Settings": "summarise.settings",
    "SummariseError": "summarise.errors",
    "asummarise": "summarise.pipeline",
    "open_model": "summarise.llm.endpoint",
    "summarise": "summarise.pipeline",
    "summarise_document": "summarise.pipeline",
}
__all__ = [
    "Document",
    "Progress",
    "Record",
    "Settings",
    "SummariseError",
    "__version__",
    "asummarise",
    "open_model",
    "summarise",
    "summarise_document",
]


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415  # only needed once, on first use of a public name

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
