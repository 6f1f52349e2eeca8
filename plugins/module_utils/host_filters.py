# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's filters as parameters of the API, which checks and applies them.

An entry is a text, or a list of texts of which one must hold. The API takes those with ``||`` between them.
"""

from __future__ import annotations

import typing as t

SEPARATOR = " || "


class FilterError(Exception):
    """Raised for an entry that is neither a text nor a list of texts."""


def query_of(parameter: str, option: str, entries: t.Sequence[t.Any]) -> t.List[t.Tuple[str, str]]:
    """Return the parameters of one option; raises FilterError."""
    return [(parameter, _text(f"{option}[{index}]", entry)) for index, entry in enumerate(entries)]


def _text(where: str, entry: t.Any) -> str:
    texts = entry if isinstance(entry, list) else [entry]
    if not texts:
        raise FilterError(f"{where}: the list is empty: nothing could match")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise FilterError(f"{where}: {text!r} must be a text such as 'state=Up', or a list of such texts")
    return SEPARATOR.join(map(str, texts))
