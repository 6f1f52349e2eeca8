"""The cluster controller: Computes step by step, and the states of nodes."""
