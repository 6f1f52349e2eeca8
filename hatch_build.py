"""Build hook: compiles ``controller/wire/*.proto`` into Python modules and type stubs.

Runs for wheels and for editable installs, so that the generated code is never committed.
The generated gRPC modules import each other by package (``controller.wire``), which protoc does
by itself when the include path is the repository root.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Calls protoc from grpcio-tools."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        generate(root)
        for path in sorted((root / "controller" / "wire").glob("*_pb2*.py*")):
            build_data["artifacts"].append(str(path.relative_to(root)))


def generate(root: Path) -> None:
    """Write ``*_pb2.py``, ``*_pb2.pyi`` and ``*_pb2_grpc.py`` beside the ``.proto`` files."""
    from grpc_tools import protoc

    protos = sorted((root / "controller" / "wire").glob("*.proto"))
    arguments = [
        "protoc",
        f"-I{root}",
        f"--python_out={root}",
        f"--pyi_out={root}",
        f"--grpc_python_out={root}",
        *(str(proto) for proto in protos),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")


if __name__ == "__main__":
    generate(Path(__file__).parent)
