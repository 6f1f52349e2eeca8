"""Manages the service's part of a node's network: routed service taps, their /32 routes, the firewall."""
