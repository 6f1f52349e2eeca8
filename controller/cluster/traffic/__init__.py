"""Instances of Loadbalancers on nodes. Rings, DSCP numbers and the announcement of VIPs belong here."""
