"""gRPC between our processes: servers and channels with mutual TLS, identities, errors, request ids.

Everything here is grpc.aio. Who may call what is decided in the handlers, by ``require_identity``.
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
