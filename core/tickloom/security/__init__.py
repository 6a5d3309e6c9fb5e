"""Who may use the server."""

from tickloom.security.keys import KeyRing, require_key

__all__ = ["KeyRing", "require_key"]
