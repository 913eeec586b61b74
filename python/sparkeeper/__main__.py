"""`python -m sparkeeper` is the command `sparkeeper`."""

from sparkeeper.cli import main

main()
