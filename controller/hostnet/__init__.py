"""What the service owns of a node's network: routed service taps, their /32 routes, the firewall."""
