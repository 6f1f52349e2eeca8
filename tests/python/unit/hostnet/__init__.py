"""Unit tests of the node's network: what is computed without a kernel."""
