"""``python -m covidx``: the command line."""

from __future__ import annotations

from covidx.cli import main

if __name__ == "__main__":
    main()
