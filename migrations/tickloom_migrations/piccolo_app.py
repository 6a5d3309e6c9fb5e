"""Tells Piccolo where the migrations of tickloom are, and which tables they make."""

from __future__ import annotations

from pathlib import Path

from piccolo.conf.apps import AppConfig

from tickloom_migrations.tables import TABLES

APP_CONFIG = AppConfig(
    app_name="tickloom",
    # Found from this file, so that neither the working directory nor the kind of install matters.
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=list(TABLES),
)
