"""Does an image classifier read the lungs, or the hospital?"""

from covidx.audit.shortcuts.audit import Asked, ShortcutAudit, audit_shortcuts, write_shortcuts

__all__ = ["Asked", "ShortcutAudit", "audit_shortcuts", "write_shortcuts"]
