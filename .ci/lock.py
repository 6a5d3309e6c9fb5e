"""Print the third-party requirements of every distribution here, for `make lock` to resolve."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def requirements() -> list[str]:
    """Return the requirements of the host, its plugins and the development group, sorted."""
    found: set[str] = set()
    for file in [ROOT / "pyproject.toml", *sorted((ROOT / "plugins").glob("*/pyproject.toml"))]:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        project = data["project"]
        found.update(project.get("dependencies", ()), data["build-system"]["requires"])
        found.update(data.get("dependency-groups", {}).get("dev", ()))
        for extra in project.get("optional-dependencies", {}).values():
            found.update(extra)
    return sorted(line for line in found if not line.startswith("tickloom"))


if __name__ == "__main__":
    print("\n".join(requirements()))
