"""Strategies: ways of asking a model about a document, all ending in one draft."""

from summarise.extract.drafts import AUTHOR, ActorDraft, ClaimDraft, Draft, EvidenceDraft, StanceDraft
from summarise.extract.strategies import Strategy, choose

__all__ = ["AUTHOR", "ActorDraft", "ClaimDraft", "Draft", "EvidenceDraft", "StanceDraft", "Strategy", "choose"]
