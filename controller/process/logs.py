"""JSON logs, one object per line on standard error, whoever logs: structlog, uvicorn, grpc, alembic.

Every line has ``timestamp`` (UTC), ``level``, ``logger``, ``event``, the process's ``process`` and
``instance``, and ``request_id`` while a request is served.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from controller.printable import printable_json


def configure_logs(process: str, name: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging of the whole program. Called once, by ``Process``. ``stream`` None: standard error."""

    def who(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"], event["instance"] = process, name
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(allow=()),
        structlog.processors.format_exc_info,
        who,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=_NamedLoggers(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_to_json, default=str, ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # uvicorn brings handlers of its own, in its own format.
        logger = logging.getLogger(noisy)
        logger.handlers = []
        logger.propagate = True
    logging.getLogger("uvicorn.access").setLevel("WARNING")
    logging.getLogger("alembic").setLevel("WARNING")
    for client in ("httpx", "httpcore"):  # they log queries and headers, which may have credentials
        logging.getLogger(client).setLevel("WARNING")


def _to_json(event: EventDict, **options: Any) -> str:
    """Return a line of the log, which a terminal can show: no character of it acts."""
    return printable_json(json.dumps(event, **options))


class _NamedLoggers(structlog.stdlib.LoggerFactory):
    """Loggers named by ``get_logger(name)``; without a name, by ``resource``."""

    def __call__(self, *args: Any) -> logging.Logger:
        return logging.getLogger(args[0] if args else "resource")
