"""The generated protobuf messages and gRPC stubs (built from ``*.proto`` by ``hatch_build.py``)."""
