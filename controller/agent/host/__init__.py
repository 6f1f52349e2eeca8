"""What the node's host is: its capacity and whether it can run guests by hardware."""
