"""``python -m controller.cli``: the same as ``resourcectl``."""

from controller.cli.main import main

main()
