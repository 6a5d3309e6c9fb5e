"""Daily currency reference rates for tickloom; see ``provider.py`` for the way in."""
