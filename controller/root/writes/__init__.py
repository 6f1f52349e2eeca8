"""What a write changes, and why it is refused. Knows nothing of HTTP.

In the order of a write: ``plan`` (``deletion`` for deletes) compares documents with what is stored (``diff``), sets the
server-set fields (``status_after_write``) and collects the refusals: fields that must not change
(``immutability_rules``), names that do not exist, addresses that are in use (``port_claims``), subnets that overlap
(``subnets``), devices that have no room (``rack_space``), racks that are their own pair (``rack_pairs``) and ends that
have a cable (``cabling``). ``plan_execution`` writes the plan.
"""
