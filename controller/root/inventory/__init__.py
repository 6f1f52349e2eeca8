"""What the inventory says of failures: failure domains of nodes, and the impact of a fault."""
