"""Does an image classifier read the lungs, or the hospital?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.audit.shortcuts.audit import (
        ShortcutAudit,
        ShortcutSource,
        audit_shortcuts,
        write_shortcuts,
    )
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
