"""Tables and texts of what commands print: resources, plans, forecasts."""
