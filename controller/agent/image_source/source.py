"""Reads an image's bytes from its URL: a server over HTTP, or a regular file of the node.

Nothing here blocks the event loop, and everything ends when the caller's task is cancelled: a server that sends
one byte at a time, in its headers or its body, holds nobody longer than the caller's deadline. A file that is
not regular (a FIFO, a device, a folder) is refused before it is opened for reading, since reading it may never end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from urllib.parse import urlsplit

from controller.agent.image_source import files
from controller.agent.image_source.addresses import AddressRules, IPNetwork
from controller.agent.image_source.servers import ServerSource
from controller.agent.image_source.settings import ImageSettings
from controller.errors import Forbidden
from controller.model.image_url import has_credentials, shown_url

CHUNK = 1 << 20


class ImageSource:
    """The folders and servers that a node's images may come from."""

    def __init__(self, settings: ImageSettings, infrastructure: Sequence[IPNetwork] = ()) -> None:
        """``infrastructure``: networks of the site that images are not fetched from unless the settings allow it."""
        self._folders = settings.folders
        rules = AddressRules(settings.allow, settings.deny, infrastructure)
        self._servers = ServerSource(rules, settings.credentials)

    def read(self, url: str) -> AsyncGenerator[bytes, None]:
        """Return the bytes in parts of any size, as they arrive; the caller closes the generator.

        It raises Forbidden for what the settings do not permit, NotFound when the file does not exist, PermanentError
        when it is not one that can be read, Unavailable and TimedOut when a retry may help.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Forbidden("the URL of the image is not valid") from error
        if has_credentials(parts):
            raise Forbidden(
                f"{shown_url(url)} has credentials in its URL, which the Image shows to every user: remove them, and "
                "name them in images.credentials of the agent's settings"
            )
        return self._file(url) if parts.scheme == "file" else self._servers.read(url)

    async def _file(self, url: str) -> AsyncGenerator[bytes, None]:
        file = await asyncio.to_thread(files.open_file, url, self._folders)
        with file:
            while part := await asyncio.to_thread(file.read, CHUNK):
                yield part
