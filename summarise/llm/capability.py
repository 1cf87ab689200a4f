"""What an endpoint can do: probed once, remembered, never assumed from its name.

Invariant: servers differ by what is recorded here, not by branches elsewhere. What is learnt is kept
in a small JSON file in the cache folder, keyed by address and model; losing it costs one probe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

AnswerForm = Literal["json_schema", "json_object", "prompt"]
FORMS: tuple[AnswerForm, ...] = ("json_schema", "json_object", "prompt")
_OPTIONAL = frozenset({"temperature", "seed", "logprobs", "top_logprobs"})


@dataclass(slots=True)
class Capability:
    """How to ask this endpoint for structured answers. ``form`` is None until it was probed."""

    form: AnswerForm | None = None
    rejected: set[str] = field(default_factory=set)
    limit_name: str = "max_tokens"

    def adapted(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request without what the endpoint rejects, its token cap under the name it takes."""
        adapted = {name: value for name, value in request.items() if name not in self.rejected}
        if self.limit_name != "max_tokens" and "max_tokens" in adapted:
            adapted[self.limit_name] = adapted.pop("max_tokens")
        return adapted

    def droppable(self, request: Mapping[str, Any]) -> frozenset[str]:
        """The parameters of this request that may be dropped (or renamed) if the endpoint complains."""
        cap = {"max_tokens"} if self.limit_name == "max_tokens" and "max_tokens" in request else set()
        return (_OPTIONAL & request.keys() - self.rejected) | cap

    def learn_rejected(self, name: str) -> None:
        """Remember that the endpoint does not take ``name``."""
        if name == "max_tokens":
            self.limit_name = "max_completion_tokens"
        else:
            self.rejected |= {"logprobs", "top_logprobs"} if "logprobs" in name else {name}


class CapabilityStore:
    """Remembers capabilities between runs; an unreadable file counts as empty."""

    def __init__(self, cache_dir: Path) -> None:
        self._path = cache_dir / "endpoints.json"

    def load(self, base_url: str, model: str) -> Capability:
        """What is known of the endpoint; an empty capability if nothing is."""
        entry = self._read().get(f"{base_url} {model}")
        if not isinstance(entry, dict) or entry.get("form") not in FORMS:
            return Capability()
        return Capability(entry["form"], set(entry.get("rejected", ())), entry.get("limit_name", "max_tokens"))

    def save(self, base_url: str, model: str, capability: Capability) -> None:
        """Remember; a folder that cannot be written costs a probe next time and nothing else."""
        known = self._read()
        known[f"{base_url} {model}"] = {
            "form": capability.form,
            "rejected": sorted(capability.rejected),
            "limit_name": capability.limit_name,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        except OSError:
            return

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
