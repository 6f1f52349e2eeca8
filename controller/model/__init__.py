"""The models of all kinds: the one source of OpenAPI, the CLI, the docs and the collection.

One module per family of kinds; importing this package registers all kinds.
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
    security_group,
    region_service,
    volume,
    compute,
    loadbalancer,
    node,
    assignment,
    service_process,
    event,
)
