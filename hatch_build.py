"""Compiles the engine's C files when the package is installed; without a compiler it is a package
of Python alone, see server/engine/native."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from server.engine.native.build import build


class NativeHook(BuildHookInterface[Any]):
    """Puts the library beside its sources and, where there is one, into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See BuildHookInterface."""
        library = build()
        if library is not None:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"].append(f"/server/engine/native/{library.name}")
