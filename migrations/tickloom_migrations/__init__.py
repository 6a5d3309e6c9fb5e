"""The database schema of tickloom: a Piccolo app named ``tickloom`` and its migrations.

``tickloom.store.migrate`` runs them. A project that uses Piccolo itself may instead name
``tickloom_migrations.piccolo_app`` in its own ``APP_REGISTRY``.
"""
