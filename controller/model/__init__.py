"""Models of every kind: the single source of OpenAPI, CLI, docs and the other faces.

One module per family; importing this package registers all kinds.
"""

# isort: skip_file

from controller.model import (  # noqa: F401  (registration, parents before children)
    access,
    region,
    datacenter,
    physical_resource,
    cluster,
    provider,
    flavor,
    image,
    network,
    global_service,
    region_service,
    volume,
    compute,
    loadbalancer,
    node,
    assignment,
    service_process,
    event,
)
