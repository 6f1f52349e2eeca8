"""What both HTTP clients promise: ``controller.client`` and the collection's."""
