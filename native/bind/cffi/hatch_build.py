"""The hatchling hook: a wheel holds the C core for CPython where that can be built, and is pure Python otherwise."""

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
# isort: split
from build_native import CannotBuild, build


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds _native.abi3.so to a wheel, and names the platform in its tag."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files; an editable install has its core from scripts/setup.sh."""
        if version == "editable":
            return
        try:
            built = build(Path(self.directory) / "native")
        except CannotBuild as missing:
            self.app.display_warning(f"holdfast: {missing}; the wheel runs on the Python core.")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][str(built)] = "holdfast_core/_native.abi3.so"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"
