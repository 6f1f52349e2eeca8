"""The root controller (A2): services to Computes, Computes to clusters, observations back.

Only the master writes, and every write carries its term (H2, H5). All of it is level-triggered:
each round reads what is asked and what is seen, and takes the next step; a killed controller
leaves nothing that the next round does not repair.
"""
