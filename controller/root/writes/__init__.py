"""What a write changes, and why it is refused: plan, diff, rules and execution. Knows nothing of HTTP."""
