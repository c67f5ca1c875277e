"""Does an image classifier read the lungs, or the hospital?"""

from covidx.audit.shortcuts.audit import (
    ShortcutAudit,
    ShortcutSource,
    audit_shortcuts,
    write_shortcuts,
)

__all__ = ["ShortcutAudit", "ShortcutSource", "audit_shortcuts", "write_shortcuts"]
