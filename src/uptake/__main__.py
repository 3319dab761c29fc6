"""``python -m uptake`` is the command ``uptake``."""

from uptake.cli import main

if __name__ == "__main__":
    main()
