"""The ``single`` strategy: one request per document or chunk, numbered sentences in, compact rows out.

Invariant: words that were to be copied and do not stand in the text, and names and numbers of the abstract that
the document does not have, are asked about once more, all those of a chunk in one question. What then still does
not stand is kept and marked: by its grounding, or by a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from summarise.chunking import Chunk, cut_chunks
from summarise.documents import Document
from summarise.errors import ContextOverflowError, InvalidAnswerError, RefusedError, TruncatedAnswerError
from summarise.extract.asking import Asker, Budget
from summarise.extract.boilerplate import boilerplate_notes, find_boilerplate, without
from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft, grounded
from summarise.extract.quotation import is_quoted, quoted_spans
from summarise.grounding import Grounder, Grounding, Located, Support
from summarise.llm.client import Question
from summarise.prompts import load_recipe
from summarise.schemas import Attribution
from summarise.schemas.single import AbstractAnswer, ActorRow, ClaimRow, SecondAnswer, SingleAnswer, StanceRow
from summarise.text import Span, fold
from summarise.wording import read_tokens, unspaced

_CHARS_PER_TOKEN = 3.0
"""Low on purpose: English news runs at 4.3 code points a token, other scripts at fewer."""
_PROMPT_TOKENS = 700
"""Room kept for the instructions and the JSON Schema that some servers put into the prompt."""
_COPIES_SHOWN = 20
_COPY_CHARS = 200
"""A second question shows no more than so many rows, and so much of each: it has to fit where the first one did."""
_LONG = 4
"""Letters of a word that two copies of the same must share; shorter ones stand everywhere."""
_SECOND_FAILURES = (InvalidAnswerError, TruncatedAnswerError, ContextOverflowError, RefusedError)
"""What leaves the first answer as it was."""


class SingleStrategy:
    """Everything asked at once; for models that can hold a whole document and its answer."""

    name = "single"

    def __init__(self) -> None:
        self.recipe = load_recipe("single")

    async def read(self, document: Document, sentences: Sequence[Span], asker: Asker, budget: Budget) -> Draft:
        """Ask about each chunk of what is not boilerplate, ground every row, and join the chunks' rows in order."""
        room = max(256, budget.context_tokens - budget.max_output_tokens - _PROMPT_TOKENS)
        boilerplate = find_boilerplate(document.text)
        kept = without(document.text, sentences, [found.span for found in boilerplate]) or sentences
        chunks = cut_chunks(document.text, kept, max_chars=int(room * _CHARS_PER_TOKEN))
        asker.begin("reading", len(chunks) + (len(chunks) > 1))
        rows = _Rows(document.text, sentences, kept)
        answers = []
        for chunk in chunks:
            question = Question(
                self.recipe.render("system"),
                self.recipe.render("user", sentences=_numbered(document.text, chunk)),
                max_tokens=budget.max_output_tokens,
            )
            answer = (await asker.ask(question, SingleAnswer)).value
            support = rows.support if len(chunks) == 1 else Support(chunk.span.of(document.text))
            answers.append(await self._second_look(answer, chunk, rows, support, asker, budget))
        abstract, notes = await self._abstract([answer.abstract for answer in answers], rows.support, asker, budget)
        return Draft(
            abstract=abstract,
            actors=tuple(rows.actors(row for answer in answers for row in answer.actors)),
            claims=tuple(rows.claim(row) for answer in answers for row in answer.claims),
            stances=tuple(rows.stance(row) for answer in answers for row in answer.stances),
            warnings=(*boilerplate_notes(boilerplate), *notes),
        )

    async def _second_look(
        self, answer: SingleAnswer, chunk: Chunk, rows: _Rows, support: Support, asker: Asker, budget: Budget
    ) -> SingleAnswer:
        """The answer with what a second question mends of it; as it is if there is nothing to ask."""
        loose = rows.loose(answer)[:_COPIES_SHOWN]
        facts = support.lacks(answer.abstract)
        if not (loose or facts) or not asker.model.reasks:
            return answer
        copies = [
            {"number": number, "words": " ".join(_words(row).split())[:_COPY_CHARS]}
            for number, row in enumerate(loose, 1)
        ]
        user = self.recipe.render(
            "second_user",
            sentences=_numbered(rows.text, chunk),
            copies=copies,
            facts=facts,
            abstract=" ".join(answer.abstract.split()),
        )
        question = Question(self.recipe.render("system"), user, max_tokens=budget.max_output_tokens)
        asker.model.transport.reasked(asker.meter)
        try:
            second = (await asker.ask(question, SecondAnswer)).value
        except _SECOND_FAILURES:
            return answer
        better = {
            id(row): rows.mended(row, copy.words, copy.s)
            for copy in second.copies
            for row in loose[copy.n - 1 : copy.n]
        }
        return answer.model_copy(
            update={
                "claims": [better.get(id(row), row) for row in answer.claims],
                "stances": [better.get(id(row), row) for row in answer.stances],
                "abstract": _better_abstract(answer.abstract, second.abstract, support) if facts else answer.abstract,
            }
        )

    async def _abstract(
        self, parts: Sequence[str], support: Support, asker: Asker, budget: Budget
    ) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The abstract of the whole, with its warnings; of several parts it is written anew."""
        abstract = parts[0].strip()
        if len(parts) > 1:
            stripped = [part.strip() for part in parts]
            user = self.recipe.render("abstract_user", parts=stripped)
            abstract = await self._written(user, asker, budget)
            facts = support.lacks(abstract)
            if facts and asker.model.reasks:
                asker.model.transport.reasked(asker.meter)
                user = self.recipe.render("abstract_second_user", parts=stripped, facts=facts)
                with suppress(*_SECOND_FAILURES):
                    abstract = _better_abstract(abstract, await self._written(user, asker, budget), support)
        left = support.lacks(abstract)
        if not left:
            return abstract, ()
        return abstract, (
            ("abstract_unsupported", f"{len(left)} names or numbers of the abstract are not in the text"),
        )

    async def _written(self, user: str, asker: Asker, budget: Budget) -> str:
        question = Question(self.recipe.render("abstract_system"), user, max_tokens=budget.max_output_tokens)
        return (await asker.ask(question, AbstractAnswer)).value.abstract.strip()


def _numbered(text: str, chunk: Chunk) -> list[Mapping[str, object]]:
    return [
        {"number": chunk.first + index + 1, "text": " ".join(span.of(text).split())}
        for index, span in enumerate(chunk.sentences)
    ]


def _who(name: str) -> str:
    return AUTHOR if name.casefold() == AUTHOR else name


def _words(row: ClaimRow | StanceRow) -> str:
    return row.says if isinstance(row, ClaimRow) else row.words


def _long_words(words: str) -> set[str]:
    return {token.text for token in read_tokens(fold(words).text) if len(token.text) >= _LONG or unspaced(token.text)}


def _better_abstract(first: str, second: str, support: Support) -> str:
    """The second one if it says less that the document does not have."""
    second = second.strip()
    return second if second and len(support.lacks(second)) < len(support.lacks(first)) else first


class _Remembering(Grounder):
    """Locates the words of a row once, though they are looked at twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._located: dict[tuple[str, Span | None], Located] = {}

    def locate(self, quote: str, *, near: Span | None = None) -> Located:
        if (quote, near) not in self._located:
            self._located[quote, near] = super().locate(quote, near=near)
        return self._located[quote, near]


class _Rows:
    """Turns answer rows into drafts, grounding each in the text; ``numbered`` are the sentences that were shown."""

    def __init__(self, text: str, sentences: Sequence[Span], numbered: Sequence[Span]) -> None:
        self.text = text
        self._sentences = sentences
        self._numbered = numbered
        self.support = Support(text)
        self._grounder = _Remembering(text)
        self._quotations = quoted_spans(text)

    def actors(self, rows: Iterable[ActorRow]) -> list[ActorDraft]:
        return [
            ActorDraft(row.name, row.kind, (row.role or "").strip() or None)
            for row in rows
            if _who(row.name) != AUTHOR  # the document's own voice is nobody it names
        ]

    def loose(self, answer: SingleAnswer) -> list[ClaimRow | StanceRow]:
        """The rows whose words do not stand in the text as they are."""
        rows: list[ClaimRow | StanceRow] = [*answer.claims, *answer.stances]
        return [row for row in rows if not Grounding(self._evidence(row.s, _words(row)).grounding).grounded]

    def mended(self, row: ClaimRow | StanceRow, words: str, number: int) -> ClaimRow | StanceRow:
        """The row with other words, if these do stand in the text and have a word of the first ones."""
        number = number or row.s
        alike = _long_words(_words(row)) & _long_words(words)
        if not alike or not Grounding(self._evidence(number, words).grounding).grounded:
            return row
        field = "says" if isinstance(row, ClaimRow) else "words"
        return row.model_copy(update={field: words, "s": number})

    def claim(self, row: ClaimRow) -> ClaimDraft:
        evidence = self._evidence(row.s, row.says, cue=row.cue)
        return ClaimDraft(
            claimant=_who(row.who),
            attribution=self._attribution(row.who, evidence),
            polarity=row.pol,
            evidence=(evidence,),
        )

    def stance(self, row: StanceRow) -> StanceDraft:
        return StanceDraft(
            holder=_who(row.holder),
            target=_who(row.target),
            label=row.label,
            evidence=(self._evidence(row.s, row.words),),
        )

    def _evidence(self, number: int, words: str, *, cue: str = "") -> EvidenceDraft:
        near = self._numbered[number - 1] if 1 <= number <= len(self._numbered) else None
        return grounded(self.text, self._sentences, words, grounder=self._grounder, near=near, cue=cue)

    def _attribution(self, who: str, evidence: EvidenceDraft) -> Attribution:
        if _who(who) == AUTHOR:
            return "author"
        if evidence.span is not None and is_quoted(self._quotations, evidence.span):
            return "direct"
        return "reported"
