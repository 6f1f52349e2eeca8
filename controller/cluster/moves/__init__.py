"""Everything that moves a Compute: migration, drain, rebalance, loss of a node."""
