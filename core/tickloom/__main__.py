"""``python -m tickloom`` is the command ``tickloom``."""

from tickloom.cli import main

if __name__ == "__main__":
    main()
