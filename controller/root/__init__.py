"""The root tier: the API that users talk to, and the controller that propagates and mirrors."""
