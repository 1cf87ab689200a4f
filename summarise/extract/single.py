"""The ``single`` strategy: one request per document or chunk, numbered sentences in, compact rows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from summarise.chunking import Chunk, cut_chunks
from summarise.documents import Document
from summarise.extract.asking import Asker, Budget
from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft, grounded
from summarise.extract.quotation import is_quoted, quoted_spans
from summarise.grounding import Grounder
from summarise.llm.client import Question
from summarise.prompts import load_recipe
from summarise.schemas import Attribution
from summarise.schemas.single import AbstractAnswer, ActorRow, ClaimRow, SingleAnswer, StanceRow
from summarise.text import Span

_CHARS_PER_TOKEN = 3.0
"""Low on purpose: English news runs at 4.3 code points a token, other scripts at fewer."""
_PROMPT_TOKENS = 700
"""Room kept for the instructions and the JSON Schema that some servers put into the prompt."""


class SingleStrategy:
    """Everything asked at once; for models that can hold a whole document and its answer."""

    name = "single"

    def __init__(self) -> None:
        self.recipe = load_recipe("single")

    async def read(self, document: Document, sentences: Sequence[Span], asker: Asker, budget: Budget) -> Draft:
        """Ask about each chunk, ground every row, and join the chunks' rows in order."""
        room = max(256, budget.context_tokens - budget.max_output_tokens - _PROMPT_TOKENS)
        chunks = cut_chunks(document.text, sentences, max_chars=int(room * _CHARS_PER_TOKEN))
        asker.begin("reading", len(chunks) + (len(chunks) > 1))
        answers = []
        for chunk in chunks:
            question = Question(
                self.recipe.render("system"), self._user(document.text, chunk), max_tokens=budget.max_output_tokens
            )
            answers.append((await asker.ask(question, SingleAnswer)).value)
        abstract = await self._abstract([answer.abstract for answer in answers], asker, budget)
        rows = _Rows(document.text, sentences)
        return Draft(
            abstract=abstract,
            actors=tuple(rows.actors(row for answer in answers for row in answer.actors)),
            claims=tuple(rows.claim(row) for answer in answers for row in answer.claims),
            stances=tuple(rows.stance(row) for answer in answers for row in answer.stances),
        )

    def _user(self, text: str, chunk: Chunk) -> str:
        numbered = [
            {"number": chunk.first + index + 1, "text": " ".join(span.of(text).split())}
            for index, span in enumerate(chunk.sentences)
        ]
        return self.recipe.render("user", sentences=numbered)

    async def _abstract(self, parts: Sequence[str], asker: Asker, budget: Budget) -> str:
        if len(parts) == 1:
            return parts[0].strip()
        question = Question(
            self.recipe.render("abstract_system"),
            self.recipe.render("abstract_user", parts=[part.strip() for part in parts]),
            max_tokens=budget.max_output_tokens,
        )
        return (await asker.ask(question, AbstractAnswer)).value.abstract.strip()


class _Rows:
    """Turns answer rows into drafts, grounding each in the text."""

    def __init__(self, text: str, sentences: Sequence[Span]) -> None:
        self._text = text
        self._sentences = sentences
        self._grounder = Grounder(text)
        self._quotations = quoted_spans(text)

    def actors(self, rows: Iterable[ActorRow]) -> list[ActorDraft]:
        return [ActorDraft(row.name.strip(), row.kind, (row.role or "").strip() or None) for row in rows]

    def claim(self, row: ClaimRow) -> ClaimDraft:
        evidence = self._evidence(row.s, row.says, cue=row.cue)
        return ClaimDraft(
            claimant=row.who.strip(),
            attribution=self._attribution(row.who, evidence),
            polarity=row.pol,
            evidence=(evidence,),
        )

    def stance(self, row: StanceRow) -> StanceDraft:
        return StanceDraft(
            holder=row.holder.strip(),
            target=row.target.strip(),
            label=row.label,
            evidence=(self._evidence(row.s, row.words),),
        )

    def _evidence(self, number: int, words: str, *, cue: str = "") -> EvidenceDraft:
        near = self._sentences[number - 1] if 1 <= number <= len(self._sentences) else None
        return grounded(self._text, self._sentences, words, grounder=self._grounder, near=near, cue=cue)

    def _attribution(self, who: str, evidence: EvidenceDraft) -> Attribution:
        if who.strip() == AUTHOR:
            return "author"
        if evidence.span is not None and is_quoted(self._quotations, evidence.span):
            return "direct"
        return "reported"
