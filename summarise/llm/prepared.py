"""What instructor makes of a question, made once for each answer type instead of at every call.

Invariant: the request is instructor's own, to the byte (but for an empty text, which instructor sends as an empty
list, and we never send): it is taken from a call that instructor makes with marks in place of the texts, and only the
marks are filled in. instructor builds a class and its JSON Schema at every call, several milliseconds of processor
time, though nothing in them depends on the texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import instructor
from instructor.core.exceptions import IncompleteOutputException
from pydantic import BaseModel

from summarise.llm.capability import AnswerForm

MODES: Mapping[AnswerForm, instructor.Mode] = {
    "json_schema": instructor.Mode.JSON_SCHEMA,
    "json_object": instructor.Mode.JSON,
    "prompt": instructor.Mode.MD_JSON,
}
_SYSTEM, _USER = "\x00system\x00", "\x00user\x00"
_MARKS = re.compile(f"({_SYSTEM}|{_USER})")


class _CaughtError(IncompleteOutputException):
    """Carries the request out of instructor, by the one kind of exception that it passes on as it is."""

    def __init__(self, request: dict[str, Any]) -> None:
        super().__init__()
        self.request = request


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request but for its texts: messages as (role, pieces), and the parameters instructor adds."""

    messages: tuple[tuple[str, tuple[str, ...]], ...]
    added: Mapping[str, Any]

    def filled(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``request``, whose messages are one of the system and one of the user, as instructor would send it."""
        system, user = (message["content"] for message in request["messages"])
        texts = {_SYSTEM: system, _USER: user}
        messages = [
            {"role": role, "content": "".join([texts.get(piece, piece) for piece in pieces])}
            for role, pieces in self.messages
        ]
        return {**request, "messages": messages, **self.added}


# Weak, since the stepwise strategy makes answer types of its own for some questions.
_KNOWN: WeakKeyDictionary[type[BaseModel], dict[AnswerForm, Prepared]] = WeakKeyDictionary()


def prepared(answer: type[BaseModel], form: AnswerForm) -> Prepared:
    """How questions with this answer are put in this form."""
    forms = _KNOWN.setdefault(answer, {})
    if form not in forms:
        forms[form] = _caught(answer, form)
    return forms[form]


def _caught(answer: type[BaseModel], form: AnswerForm) -> Prepared:
    def catch(**request: Any) -> NoReturn:
        raise _CaughtError(request)

    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    try:
        instructor.patch(create=catch, mode=MODES[form])(response_model=answer, max_retries=0, messages=messages)
    except _CaughtError as caught:
        request = caught.request
    return Prepared(
        messages=tuple((message["role"], _pieces(message["content"])) for message in request["messages"]),
        added={name: value for name, value in request.items() if name != "messages"},
    )


def _pieces(content: str) -> tuple[str, ...]:
    return tuple(piece for piece in _MARKS.split(content) if piece)
