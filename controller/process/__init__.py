"""What every process of the control plane is made of (A9, F4, H2).

``Process`` is composed by the roles: settings, JSON logs, a health page, a gRPC server with
Status, heartbeats, mastership, and a drain on SIGTERM. ``Supervisor`` runs several of them.

A role's module has ``Settings`` (a subclass of ``ProcessSettings``) and ``async def main(settings)``,
which makes a ``Process``, composes it and awaits its ``run``; ``resourcectl run ROLE`` reads the
settings with ``load_settings``.
"""

from controller.process.api_service import ApiServicer
from controller.process.heartbeat import ApiClient
from controller.process.mastership import Mastership
from controller.process.process import Process
from controller.process.settings import (
    DatabaseSettings,
    ElectionSettings,
    PeerSettings,
    ProcessSettings,
    TlsSettings,
    load_settings,
)
from controller.process.supervisor import Child, Supervisor

__all__ = [
    "ApiClient",
    "ApiServicer",
    "Child",
    "DatabaseSettings",
    "ElectionSettings",
    "Mastership",
    "PeerSettings",
    "Process",
    "ProcessSettings",
    "Supervisor",
    "TlsSettings",
    "load_settings",
]
