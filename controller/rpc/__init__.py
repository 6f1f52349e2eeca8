"""gRPC between our processes: servers and channels with mutual TLS, identities, errors, request ids.

The package uses grpc.aio only. Each handler decides with ``require_identity`` who may call it.
"""

from controller.rpc.channel import Channels
from controller.rpc.errors import from_rpc_error, translated
from controller.rpc.identity import peer_identity, require_identity
from controller.rpc.metadata import current_request_id, new_request_id, outgoing_metadata
from controller.rpc.server import RpcServer
from controller.rpc.status import StatusServicer

__all__ = [
    "Channels",
    "RpcServer",
    "StatusServicer",
    "current_request_id",
    "from_rpc_error",
    "new_request_id",
    "outgoing_metadata",
    "peer_identity",
    "require_identity",
    "translated",
]
