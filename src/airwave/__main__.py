"""`python -m airwave` is the command `airwave`."""

from airwave.cli import main

main()
