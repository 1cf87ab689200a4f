"""Document names as text that SQLite, JSON and CSV can hold, and back.

SQLite text is UTF-8, and a file name on Linux is bytes: ``os.fsdecode`` gives bytes that are not UTF-8 as lone
surrogates, which no encoder takes. Such a name is stored as ``bytes:`` and the name with those bytes as ``%XX``
(other lone surrogates, from Windows, as ``%uXXXX``; NUL as ``%00``; ``%`` itself as ``%25``). Every other name,
newlines included, is stored as it is, so what people search for is what they see.

Invariant: ``decoded(encoded(name)) == name`` for every string, and two names never become one.
"""

from __future__ import annotations

import re

MARK = "bytes:"
_UNSTORABLE = re.compile(r"[\ud800-\udfff\0]")
_ESCAPED = re.compile(r"[\ud800-\udfff\0%]")
_ESCAPE = re.compile(r"%(?:u([0-9A-F]{4})|([0-9A-F]{2}))")


def encoded(name: str) -> str:
    """The name as it is stored: always valid Unicode without NUL."""
    if not name.startswith(MARK) and (name.isascii() or not _UNSTORABLE.search(name)) and "\0" not in name:
        return name
    return MARK + _ESCAPED.sub(_escape, name)


def decoded(stored: str) -> str:
    """The name as the caller gave it."""
    if not stored.startswith(MARK):
        return stored
    return _ESCAPE.sub(_unescape, stored[len(MARK) :])


def storable(text: str) -> str:
    """Text for people (a message, a title): what cannot be stored becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x80:
        return f"%{code:02X}"
    return f"%{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"%u{code:04X}"


def _unescape(match: re.Match[str]) -> str:
    wide, byte = match.groups()
    if wide:
        return chr(int(wide, 16))
    code = int(byte, 16)
    return chr(code if code < 0x80 else code + 0xDC00)
