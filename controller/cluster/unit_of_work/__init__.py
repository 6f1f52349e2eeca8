"""What one pass of the cluster controller reads, decides and writes, in one transaction."""
