# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests of the collection import it by its name from a checkout; ansible-test brings a finder of its own."""

from __future__ import annotations

import sys
from pathlib import Path

LINK = Path(__file__).parents[2] / "collections"
if LINK.is_dir() and str(LINK) not in sys.path:
    sys.path.insert(0, str(LINK))
