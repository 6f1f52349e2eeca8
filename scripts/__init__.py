"""Programs of the checkout: pages, modules and tables that are made from the models."""
