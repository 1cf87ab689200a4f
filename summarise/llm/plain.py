"""Document text as plain text: no control token of a chat template survives in it.

Invariant: one code point for one, so every offset stays where it was; and folding
(:func:`summarise.text.fold`) maps the replacement back, so a quote with it is still found in the text.

Servers of the llama.cpp family apply the chat template to the whole conversation and then read control
tokens such as ``<|im_end|>`` anywhere in it, a document's text included; no setting turns that off
(measured on the embedded server, see docs/performance.md). Hosted endpoints escape them themselves.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"<(?=\|[A-Za-z0-9_ -]{1,40}\|?>|/?s>|/?think>|(?:start|end)_of_turn>|</?SYS>>"
    r"|/?(?:bos|eos|pad|unk|tool_call|tools)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)
_FULL_WIDTH = {"<": "＜", "[": "［"}


def as_plain_text(text: str) -> str:
    """``text`` with the first character of every chat-template token made its full-width form."""
    return _CONTROL.sub(lambda found: _FULL_WIDTH[found[0]], text)
