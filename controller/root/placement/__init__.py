"""Which cluster runs a service, and forecasts of where its Computes would go."""
