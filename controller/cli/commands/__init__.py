"""One module per group of commands: each computes what to show; ``controller.cli.output`` shows it."""
