"""Who may use the server."""

from tickloom.security.keys import KeyRing, require_key
from tickloom.security.origin import refuse_foreign_pages

__all__ = ["KeyRing", "refuse_foreign_pages", "require_key"]
