"""The hatchling hook: what a wheel holds that no package of the tree does, where it can be built.

The C core for CPython, without which a wheel is pure Python; and the packages that boards install.
"""

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "scripts")]
# isort: split
from build_native import CannotBuild, build
from bundle import packages


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds _native.abi3.so to a wheel, and names the platform in its tag; adds holdfast_deploy/boards."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files; a source tree has all that from its scripts."""
        if version == "editable":
            return
        self._add_boards(build_data)
        try:
            built = build(Path(self.directory) / "native")
        except CannotBuild as missing:
            self.app.display_warning(f"holdfast: {missing}; the wheel runs on the Python core.")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][str(built)] = "holdfast_core/_native.abi3.so"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"

    def _add_boards(self, build_data: dict[str, Any]) -> None:
        boards = Path(self.directory) / "boards"
        packages.build(boards)
        build_data["force_include"][str(boards)] = "holdfast_deploy/boards"
        build_data["force_include"][str(Path(self.root) / "device" / "examples")] = "holdfast_deploy/examples"
