"""Numbers as people read them: durations, money, counts. Unknown is said, never shown as nothing."""

from __future__ import annotations

import re

from summarise.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"\d+(?:\.\d+)?"
_DURATION = re.compile(rf"{_PART}|(?:{_PART}[smhd])+")


def seconds_of(words: str, option: str) -> float:
    """Seconds in ``90``, ``90s``, ``15m``, ``2h`` or ``1h30m``.

    Raises:
        UsageError: if it is none of these; the message names ``option``.
    """
    text = words.strip().lower()
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{option}: {words!r} is no duration; write 90, 90s, 15m or 2h")
    parts = re.findall(rf"({_PART})([smhd]?)", text)
    return sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 days 4 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def dollars(amount: float) -> str:
    """Cents where there are some, four places where there are not."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def money(cost_usd: float | None, unknown: int, what: str = "document") -> str:
    """The cost, and for how many it is not known."""
    if cost_usd is None:
        return f"unknown for {number(unknown, what)}" if unknown else "none"
    return dollars(cost_usd) + (f" and unknown for {number(unknown, what)}" if unknown else "")


def tokens(prompt: int, completion: int, cached: int | None) -> str:
    """Tokens in, the part of them that came from the server's cache if that is told, and out."""
    from_cache = "" if cached is None else f" ({cached / max(1, prompt):.0%} from the cache)"
    return f"{count(prompt)} in{from_cache}, {count(completion)} out"


def count(amount: float) -> str:
    """``12,345`` up to a hundred thousand, then ``1.23 M``."""
    return f"{amount:,.0f}" if amount < 100_000 else f"{amount / 1_000_000:,.2f} M"


def number(amount: int, word: str) -> str:
    """``1 document``, ``2 documents``."""
    return f"{amount:,} {word}" + ("" if amount == 1 else "s")
