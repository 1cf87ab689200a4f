"""Claims by many small questions: the ``stepwise`` strategy's reading of who asserts or denies what."""

from summarise.extract.claims.step import FoundClaim, extract_claims, question_count

__all__ = ["FoundClaim", "extract_claims", "question_count"]
