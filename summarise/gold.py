"""Documents that people have marked, and the records to score against them: what `summarise eval` reads.

Invariant: a marked document's spans lie in its text, and where a quote is given they hold its words; a line
that is none of these is an error that names its line and shows no text of the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from summarise.documents import unreadable
from summarise.errors import UnreadableDocumentError
from summarise.schemas import Record, StanceLabel

LAYERS = ("claims", "stances", "actors")
"""What can be marked."""
_DATABASE = b"SQLite format 3\0"


class _GoldPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GoldActor(_GoldPart):
    """A marked actor; ``main`` ones are what recall is taken on."""

    name: str
    main: bool | None = None


class GoldClaim(_GoldPart):
    """A marked claim: its content's spans, and the claimant if it was marked. ``quote``, if given, only guards the
    spans: it must hold their words."""

    spans: Annotated[tuple[tuple[int, int], ...], Field(min_length=1)]
    claimant: str | None = None
    quote: str | None = None


class GoldStance(_GoldPart):
    """A marked stance."""

    holder: str
    target: str
    label: StanceLabel


class GoldDocument(_GoldPart):
    """One marked document. ``gold_layers`` says what was marked completely: claims, stances, actors."""

    id: Annotated[str, Field(min_length=1)]
    text: str
    gold_layers: tuple[str, ...]
    actors: tuple[GoldActor, ...] = ()
    claims: tuple[GoldClaim, ...] = ()
    stances: tuple[GoldStance, ...] = ()

    @field_validator("actors", "claims", "stances", mode="before")
    @classmethod
    def _null_is_none_marked(cls, value: Any) -> Any:
        return () if value is None else value

    @model_validator(mode="after")
    def _spans_lie_in_the_text(self) -> Self:
        for number, claim in enumerate(self.claims, 1):
            for start, end in claim.spans:
                if not 0 <= start < end <= len(self.text):
                    raise ValueError(f"claim {number}: no characters {start} to {end} in a text of {len(self.text)}")
                if claim.quote is not None and _spaced(self.text[start:end]) not in _spaced(claim.quote):
                    raise ValueError(
                        f"claim {number}: its quote does not hold characters {start} to {end}; "
                        "offsets count Unicode code points, not bytes"
                    )
        return self

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Layers it names that nothing is measured on."""
        return tuple(layer for layer in self.gold_layers if layer not in LAYERS)

    @property
    def stem(self) -> str:
        """The file name, without its ending, under which the document is summarised."""
        return self.id.replace(":", "_").replace("/", "_")


def load_gold(path: Path) -> list[GoldDocument]:
    """Read marked documents, one JSON object a line.

    Raises:
        UnreadableDocumentError: if the file cannot be read, holds no documents, a line is not a marked
            document, or two would have the same file name.
    """
    documents: dict[str, GoldDocument] = {}
    for number, document in _read_lines(path, GoldDocument, "a marked document; see docs/evaluation.md"):
        if document.stem in documents:
            raise UnreadableDocumentError(
                f"{path}, line {number}: a second document with this id (or one that differs in : / _ only); "
                "rename one of them"
            )
        documents[document.stem] = document
    if not documents:
        raise UnreadableDocumentError(f"{path}: holds no documents")
    return list(documents.values())


def load_records(path: Path) -> dict[str, Record]:
    """Read records, one JSON object a line, by the stem of their source; of one document's, the last counts.

    Raises:
        UnreadableDocumentError: if the file cannot be read, a line is not a record, or the sources of two
            documents have the same stem.
    """
    records: dict[str, Record] = {}
    for number, record in _read_lines(path, Record, "a record; each stands on a line of its own"):
        stem = PurePath(record.document.source).stem
        if stem in records and records[stem].document.id != record.document.id:
            raise UnreadableDocumentError(
                f"{path}, line {number}: a second document whose file is named {stem}; keep one of them"
            )
        records[stem] = record
    return records


Row = TypeVar("Row", bound=BaseModel)


def _read_lines(path: Path, model: type[Row], wanted: str) -> Iterator[tuple[int, Row]]:
    """The rows of a JSON Lines file with their line numbers; blank lines are skipped."""
    try:
        data = path.read_bytes()
        if data.startswith(_DATABASE):
            raise UnreadableDocumentError(f"{path}: is a results file; write its records with `summarise export` first")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise unreadable(error, str(path)) from error
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError(f"{path}: is not JSON Lines (not UTF-8)") from error
    # Not splitlines: JSON strings may hold U+2028 and its like unescaped.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, model.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            why = "is not JSON" if first["type"] == "json_invalid" else first["msg"].removeprefix("Value error, ")
            problem = ": ".join(filter(None, (".".join(map(str, first["loc"])), why)))
            raise UnreadableDocumentError(f"{path}, line {number}: {problem}; must be {wanted}") from None


def _spaced(text: str) -> str:
    return " ".join(text.split())
