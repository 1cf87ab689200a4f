"""From a draft to the rows of a record: one entry per actor, ids, references, warnings.

Invariant: pure and deterministic; nothing is dropped in silence. Every evidence with offsets is
checked against the text once more, and what is not grounded is counted in a warning. So is a row whose
words have a number, date or name that its evidence does not bear out; the warning gives its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft
from summarise.grounding import Support, unsupported_facts
from summarise.schemas import Actor, Claim, Evidence, Notice, Offsets, Ref, Stance
from summarise.text import Span, fold

_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "sir",
        "dame",
        "lord",
        "lady",
        "prof",
        "professor",
        "president",
        "minister",
        "senator",
        "mayor",
        "the",
        "a",
        "an",
    ]
)

_IDS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """The parts of a record that come from the draft."""

    actors: list[Actor]
    claims: list[Claim]
    stances: list[Stance]
    warnings: list[Notice]


def merge(text: str, draft: Draft) -> Rows:
    """Give ids, resolve names to actors, and count what needs a reader's eye.

    Raises:
        AssertionError: if evidence does not quote the text to the letter (a bug of ours).
    """
    actors = _merged_actors(text, draft.actors)
    ids = _Directory(actors)
    drafts = list(_unique(draft.claims))
    claims = [_claim(text, f"c{n}", claim, ids) for n, claim in enumerate(drafts, 1)]
    stances = [_stance(text, f"s{n}", stance, ids) for n, stance in enumerate(_merged_stances(draft.stances), 1)]
    rows = [_actor(f"a{n}", actor) for n, actor in enumerate(actors, 1)]
    free = [claim for made, claim in zip(drafts, claims, strict=True) if not _copied(made)]
    warnings = [
        *_warnings(draft, rows, claims, stances),
        *_strange_names(text, draft.actors, claims, stances),
        *_excess(text, free),
    ]
    return Rows(rows, claims, stances, warnings)


def mentions_of(text: str, names: Iterable[str]) -> tuple[Span, ...]:
    """Every occurrence of the names in the text, on word boundaries, longest first, without overlaps."""
    found: list[Span] = []
    for name in sorted({name for name in names if name}, key=len, reverse=True):
        start = text.find(name)
        while start >= 0:
            span = Span(start, start + len(name))
            if _on_boundaries(text, span) and not any(span.overlap(other) for other in found):
                found.append(span)
            start = text.find(name, span.end)
    return tuple(sorted(found))


@lru_cache(maxsize=4096)  # the same few names are compared with each other again and again
def name_key(name: str) -> str:
    """A name folded for comparison: case, quotes, a possessive ending and the titles before it do not count.

    A title that is all there is ("the mayor") stays: it tells its holder from that of another office.
    """
    words = fold(name).text.replace(".", " ").split()
    while len(words) > 1 and words[0] in _TITLES:
        words.pop(0)
    return " ".join(words).removesuffix("'s")


class _Directory:
    """Finds the actor a name stands for: full name or alias first, then an unambiguous part of a name."""

    def __init__(self, actors: Sequence[ActorDraft]) -> None:
        self._exact: dict[str, str] = {}
        parts: dict[str, set[str]] = {}
        for number, actor in enumerate(actors, 1):
            for name in (actor.name, *actor.aliases):
                key = name_key(name)
                self._exact.setdefault(key, f"a{number}")
                last = name.rpartition(" ")[2]
                if actor.kind == "person" and not last.islower():  # the last word of "the mayor" is no name
                    parts.setdefault(key.rpartition(" ")[2], set()).add(f"a{number}")
        self._parts: Mapping[str, str] = {word: min(ids) for word, ids in parts.items() if len(ids) == 1}

    def ref(self, name: str) -> Ref:
        if name == AUTHOR:
            return Ref(name=AUTHOR, actor=None)
        key = name_key(name)
        actor = self._exact.get(key)
        if actor is None and key:
            actor = self._parts.get(key.split()[-1])
        return Ref(name=name, actor=actor)


def _merged_actors(text: str, actors: Sequence[ActorDraft]) -> list[ActorDraft]:
    """One entry per name; aliases and mentions joined, in order of first appearance in the draft."""
    merged: dict[str, ActorDraft] = {}
    for actor in actors:
        key = name_key(actor.name) or actor.name
        before = merged.get(key)
        if before is None:
            merged[key] = actor
            continue
        aliases = dict.fromkeys((*before.aliases, *actor.aliases))
        merged[key] = replace(
            before,
            role=before.role or actor.role,
            aliases=tuple(alias for alias in aliases if alias != before.name),
            mentions=tuple(sorted({*before.mentions, *actor.mentions})),
        )
    return [_with_mentions(text, actor, merged) for actor in merged.values()]


def _with_mentions(text: str, actor: ActorDraft, everyone: Mapping[str, ActorDraft]) -> ActorDraft:
    """Mentions found by name where the strategy gave none; a person's last name becomes an alias if it occurs."""
    if actor.mentions:
        return actor
    aliases = list(actor.aliases)
    words = actor.name.split()
    if actor.kind == "person" and len(words) > 1:
        others = [other for other in everyone.values() if other is not actor and words[-1] in other.name.split()]
        if not others and len(mentions_of(text, [words[-1]])) > len(mentions_of(text, [actor.name])):
            aliases.append(words[-1])
    return replace(actor, aliases=tuple(dict.fromkeys(aliases)), mentions=mentions_of(text, [actor.name, *aliases]))


def _unique(claims: Sequence[ClaimDraft]) -> Iterator[ClaimDraft]:
    """The claims without repetitions of the same words by the same claimant with the same polarity."""
    seen: set[tuple[object, ...]] = set()
    for claim in claims:
        key = (name_key(claim.claimant), claim.polarity, tuple(e.span or e.quote for e in claim.evidence))
        if key not in seen:
            seen.add(key)
            yield claim


def _merged_stances(stances: Sequence[StanceDraft]) -> Iterator[StanceDraft]:
    """One stance per holder, target and label, with all its evidence, the surest one's confidence."""
    merged: dict[tuple[str, str, str], StanceDraft] = {}
    for stance in stances:
        key = (name_key(stance.holder), name_key(stance.target), stance.label)
        before = merged.get(key)
        if before is None:
            merged[key] = stance
            continue
        known = {(e.span, e.quote) for e in before.evidence}
        more = tuple(e for e in stance.evidence if (e.span, e.quote) not in known)
        sure = [value for value in (before.confidence, stance.confidence) if value is not None]
        merged[key] = replace(before, evidence=before.evidence + more, confidence=max(sure, default=None))
    yield from merged.values()


def _actor(identity: str, actor: ActorDraft) -> Actor:
    return Actor(
        id=identity,
        name=actor.name,
        kind=actor.kind,
        role=actor.role,
        aliases=[alias for alias in actor.aliases if alias != actor.name],
        mentions=[_offsets(span) for span in actor.mentions],
    )


def _claim(text: str, identity: str, claim: ClaimDraft, ids: _Directory) -> Claim:
    return Claim(
        id=identity,
        claimant=ids.ref(claim.claimant),
        attribution=claim.attribution,
        polarity=claim.polarity,
        text=claim.text or claim_sentence(claim),
        evidence=[_evidence(text, evidence) for evidence in claim.evidence],
        confidence=claim.confidence,
    )


def claim_sentence(claim: ClaimDraft) -> str:
    """One self-contained sentence that says no more than the evidence: who, asserts or denies, the words."""
    content = " […] ".join(" ".join(evidence.quote.split()) for evidence in claim.evidence)
    content = content.strip(' ,;:“”"')
    ending = "" if content.endswith((".", "!", "?", "…")) else "."
    if claim.claimant == AUTHOR:
        return content[:1].upper() + content[1:] + ending
    verb = "denies" if claim.polarity == "denies" else "says"
    return f"{claim.claimant} {verb}: {content}{ending}"


def _stance(text: str, identity: str, stance: StanceDraft, ids: _Directory) -> Stance:
    return Stance(
        id=identity,
        holder=ids.ref(stance.holder),
        target=ids.ref(stance.target),
        label=stance.label,
        evidence=[_evidence(text, evidence) for evidence in stance.evidence],
        confidence=stance.confidence,
    )


def _evidence(text: str, draft: EvidenceDraft) -> Evidence:
    span = draft.span
    if span is not None and span.of(text) != draft.quote:
        raise AssertionError("evidence does not quote the text to the letter")
    return Evidence(
        start=span.start if span else None,
        end=span.end if span else None,
        quote=draft.quote,
        sentence=_offsets(draft.sentence) if draft.sentence else None,
        cue=_offsets(draft.cue) if draft.cue else None,
        grounding=draft.grounding,
    )


def _offsets(span: Span) -> Offsets:
    return Offsets(start=span.start, end=span.end)


def _on_boundaries(text: str, span: Span) -> bool:
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    return not (before.isalnum() and text[span.start].isalnum()) and not (
        after.isalnum() and text[span.end - 1].isalnum()
    )


def _warnings(
    draft: Draft, actors: Sequence[Actor], claims: Sequence[Claim], stances: Sequence[Stance]
) -> list[Notice]:
    warnings = [Notice(code=code, message=message) for code, message in draft.warnings]
    rows: list[Claim | Stance] = [*claims, *stances]
    counts: Counter[str] = Counter(e.grounding for e in chain.from_iterable(row.evidence for row in rows))
    messages = {
        "fuzzy": "quotes differ slightly from the text; the text's own words are shown",
        "conflict": "quotes differ from the text in a negation, a number or a name; check them",
        "ungrounded": "quotes do not stand in the text; they carry no offsets",
    }
    for grounding, words in messages.items():
        if counts[grounding]:
            warnings.append(Notice(code=f"evidence_{grounding}", message=f"{counts[grounding]} {words}"))
    absent = [actor.name for actor in actors if not actor.mentions]
    if absent:
        warnings.append(
            Notice(code="actor_not_in_text", message=f"{len(absent)} actors' names do not stand in the text as given")
        )
    return warnings


def _strange_names(
    text: str, actors: Sequence[ActorDraft], claims: Sequence[Claim], stances: Sequence[Stance]
) -> Iterator[Notice]:
    """Rows with a claimant, holder or target that the document does not name, by id."""
    borne = {name for actor in actors if actor.mentions for name in (actor.name, *actor.aliases)}
    refs = {row.id: [row.claimant.name] for row in claims} | {
        row.id: [row.holder.name, row.target.name] for row in stances
    }
    names = {name for listed in refs.values() for name in listed} - borne - {AUTHOR}
    support = Support(text)
    absent = {name for name in names if name not in text and support.lacks(f", {name}")}
    strange = [identity for identity, listed in refs.items() if absent & set(listed)]
    if strange:
        yield Notice(
            code="name_not_in_text",
            message=f"{len(strange)} rows have a claimant, holder or target whose name does not stand in the text: "
            + _listed(strange),
        )


def _copied(claim: ClaimDraft) -> bool:
    """Whether the claim's text is composed of the document's own words alone."""
    return claim.text is None and all(evidence.span is not None for evidence in claim.evidence)


def _excess(text: str, claims: Sequence[Claim]) -> Iterator[Notice]:
    """Claims whose text says more than their evidence, by id.

    The claimant's name is no excess where it stands for a pronoun of the sentence; see :func:`_strange_names`.
    """
    excess = [claim.id for claim in claims if unsupported_facts(claim.text, _support(text, claim))]
    if excess:
        yield Notice(
            code="claim_unsupported",
            message=f"{len(excess)} claims have a number, date or name that is neither in their evidence nor in its "
            f"sentence: {_listed(excess)}",
        )


def _support(text: str, claim: Claim) -> str:
    """The words that a claim's text may use: its sentences and the text's own words of its evidence."""
    pieces = [claim.claimant.name]
    for evidence in claim.evidence:
        if evidence.start is not None:
            pieces.append(evidence.quote)
        if evidence.sentence is not None:
            pieces.append(text[evidence.sentence.start : evidence.sentence.end])
    return "\n".join(pieces)


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_IDS_SHOWN])
    return shown if len(ids) <= _IDS_SHOWN else f"{shown} and {len(ids) - _IDS_SHOWN} more"
