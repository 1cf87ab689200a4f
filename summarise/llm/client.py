"""Typed questions to a model: a pydantic answer, validated, re-asked a bounded number of times.

Invariant: instructor writes the request, validates and re-asks, nothing else; the call it makes is ours
(:meth:`LanguageModel._create`), so transport retries, usage, truncation and refusals are each handled
in one place. instructor is never handed a context, so it renders no message as a template.

Its work is not repeated at every call: what it makes of an answer type is kept (:mod:`summarise.llm.prepared`), and
an answer that validates as it would validate it is taken at once. Any other answer is handed to instructor as the
first of its own loop, so its verdict and its re-ask stand.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import instructor
from instructor.core.exceptions import InstructorRetryException
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, ValidationError

from summarise.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidAnswerError,
    SummariseError,
    TruncatedAnswerError,
    UnknownModelError,
)
from summarise.llm import faults
from summarise.llm.capability import FORMS, AnswerForm, Capability
from summarise.llm.memory import Answers, RememberingTransport
from summarise.llm.plain import as_plain_text
from summarise.llm.prepared import MODES, prepared
from summarise.llm.transport import Endpoint, Transport
from summarise.llm.usage import Meter

# instructor logs failed calls, with what the server said, through the root logger's last resort.
logging.getLogger("instructor").addHandler(logging.NullHandler())

T = TypeVar("T", bound=BaseModel)

_PROBE_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["teal-7"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``max_tokens`` caps the answer and is doubled once if the answer is cut;
    ``top_logprobs`` asks for that many alternatives per token, 0 for none."""

    system: str
    user: str
    max_tokens: int
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A validated answer and the completion it was read from (for token probabilities)."""

    value: T
    completion: ChatCompletion


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn and how often an invalid one is re-asked."""

    temperature: float
    seed: int | None
    reasks: int


def _plain(message: Any) -> Any:
    """A re-ask shows the answer that was wrong, which may have copied a control token from the document."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str) or message["role"] == "system":
        return message
    return {**message, "content": as_plain_text(content)}


class LanguageModel:
    """One model at one endpoint. Holds no state of a document; safe to share between documents."""

    def __init__(self, transport: Transport | RememberingTransport, sampling: Sampling, capability: Capability) -> None:
        self.transport = transport
        self.capability = capability
        self._sampling = sampling

    @property
    def endpoint(self) -> Endpoint:
        """Where the questions go."""
        return self.transport.endpoint

    @property
    def reasks(self) -> int:
        """How often an answer that will not do is asked for again."""
        return self._sampling.reasks

    def remembering(self, answers: Answers) -> LanguageModel:
        """The same model for one document, whose answers are kept in ``answers`` and taken from there."""
        if isinstance(self.transport, RememberingTransport):
            raise TypeError("this model remembers already: call remembering() on the one open_model() gave")
        return LanguageModel(RememberingTransport(self.transport, answers), self._sampling, self.capability)

    async def ask(self, question: Question, answer: type[T], meter: Meter) -> Answer[T]:
        """Ask and validate; re-ask with the validation errors if the answer does not fit.

        Raises:
            InvalidAnswerError: no valid answer after every re-ask.
            TruncatedAnswerError: the answer was cut at twice ``max_tokens``.
            SummariseError: any transport error, translated.
        """
        form = self.capability.form or await self.probe(meter)
        request = self._request(question)
        first = await self._create(meter, prepared(answer, form).filled(request))
        if form != "prompt":  # there the JSON has to be looked for in the answer, which is instructor's business
            try:
                # Strictly and from JSON, as instructor does.
                return Answer(answer.model_validate_json(first.choices[0].message.content or "", strict=True), first)
            except ValidationError:
                pass
        return await self._corrected(first, request, answer, form, meter)

    async def _corrected(
        self,
        first: ChatCompletion,
        request: dict[str, Any],
        answer: type[T],
        form: AnswerForm,
        meter: Meter,
    ) -> Answer[T]:
        """instructor's verdict on the first answer, and its re-asks."""
        got: list[ChatCompletion] = []

        async def create(**asked: Any) -> ChatCompletion:
            if got:
                self.transport.reasked(meter)
                asked = {**asked, "messages": [_plain(message) for message in asked["messages"]]}
            got.append(await self._create(meter, asked) if got else first)
            return got[-1]

        patched: Callable[..., Awaitable[T]] = instructor.patch(create=create, mode=MODES[form])
        try:
            value = await patched(response_model=answer, max_retries=self._sampling.reasks, **request)
        except InstructorRetryException as error:
            raise self._failure(error, answer) from error
        except (ValidationError, ValueError) as error:
            raise self._failure(error, answer) from error
        return Answer(value, got[-1])

    async def probe(self, meter: Meter) -> AnswerForm:
        """Find the strongest answer form the endpoint keeps to, with one tiny request for each tried.

        Raises:
            SummariseError: if the endpoint cannot be asked at all.
        """
        for form in FORMS[:-1]:
            if await self._keeps_to(form, meter):
                self.capability.form = form
                return form
        self.capability.form = FORMS[-1]
        return self.capability.form

    async def _keeps_to(self, form: AnswerForm, meter: Meter) -> bool:
        response_format: dict[str, Any] = {"type": form}
        if form == "json_schema":
            response_format["json_schema"] = {"name": "Probe", "schema": _PROBE_SCHEMA}
        request = {
            "model": self.endpoint.model,
            "messages": [{"role": "user", "content": 'Name a colour as JSON, for example {"colour": "red"}.'}],
            "max_tokens": 1024,
            "temperature": 0.0,
            "response_format": response_format,
        }
        try:
            completion = await self.transport.chat(request, self.capability, meter)
        except (AuthenticationError, UnknownModelError):
            raise
        except ConfigurationError:
            return False
        try:
            answer = json.loads(completion.choices[0].message.content or "")
        except ValueError:
            return False
        return isinstance(answer, dict) and (form == "json_object" or answer.get("colour") == "teal-7")

    def _request(self, question: Question) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": as_plain_text(question.user)},
            ],
            "max_tokens": question.max_tokens,
            "temperature": self._sampling.temperature,
        }
        if self._sampling.seed is not None:
            request["seed"] = self._sampling.seed
        if question.top_logprobs:
            request |= {"logprobs": True, "top_logprobs": question.top_logprobs}
        return request

    async def _create(self, meter: Meter, request: dict[str, Any]) -> ChatCompletion:
        """The call for the question and for each re-ask."""
        completion = await self.transport.chat(request, self.capability, meter)
        if completion.choices[0].finish_reason == "length":
            cap = 2 * request["max_tokens"]
            completion = await self.transport.chat({**request, "max_tokens": cap}, self.capability, meter)
            if completion.choices[0].finish_reason == "length":
                raise TruncatedAnswerError(
                    f"the answer of {self.endpoint.model} was cut at {cap} tokens; raise --max-output-tokens"
                )
        return completion

    def _failure(self, error: Exception, answer: type[BaseModel]) -> SummariseError:
        chain = list(faults.causes(error))
        if any(isinstance(cause, SummariseError) for cause in chain) or not any(
            isinstance(cause, ValidationError | json.JSONDecodeError) for cause in chain
        ):
            return faults.translate(
                error,
                base_url=self.endpoint.base_url,
                model=self.endpoint.model,
                seconds=self.transport.limits.timeout,
            )
        return InvalidAnswerError(
            f"{self.endpoint.model} gave no valid {answer.__name__} in {self._sampling.reasks + 1} tries; "
            "raise --reasks or use a stronger model"
        )
