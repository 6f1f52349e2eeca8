"""Tables and texts that commands print: resources, plans, forecasts."""
