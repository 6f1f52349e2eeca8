"""The root controller: RegionServices to Computes, desired state to clusters, observed state back.

Only the master writes, and every write carries its term. Each pass reads desired and observed state and takes the next
step, so the next pass repairs whatever a killed controller left behind.

Design: A2, H2, H5
"""
