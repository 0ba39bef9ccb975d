"""Event source mappings at work: one poller each."""
