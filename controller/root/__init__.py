"""The root tier: the REST API for users, and the controller that sends desired state to the clusters and reads back."""
