"""The root's side of the cluster API: desired state in, observed state out."""
