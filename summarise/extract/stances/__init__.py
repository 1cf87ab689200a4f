"""Stances by small questions about pairs: the ``stepwise`` strategy's reading of who is for or against whom or what."""

from summarise.extract.stances.pairs import MOST_ASKED
from summarise.extract.stances.step import FoundStance, extract_stances

__all__ = ["MOST_ASKED", "FoundStance", "extract_stances"]
