"""Letters of all languages as ASCII, so that a name stays readable: ``Köln`` is ``Koeln``, ``サーバ`` is ``saba``.

Pure. German umlauts are written as German does without them. Everything else is anyascii's table, which needs no
dictionary. So Chinese characters have their Chinese reading in Japanese names too.
"""

from __future__ import annotations

import unicodedata

from controller.errors import PermanentError

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS"})


def romanized(text: str) -> str:
    """Return the text in ASCII. A character without letters in ASCII is left out."""
    if text.isascii():
        return text
    try:
        from anyascii import anyascii
    except ImportError as error:  # pragma: no cover - the tests have it
        raise PermanentError("anyascii is not installed: pip install 'resource-service[netbox]'") from error
    return anyascii(unicodedata.normalize("NFC", text).translate(_GERMAN))
