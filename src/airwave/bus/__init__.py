"""`airwave.Bus`: events and workers over Pub/Sub and streams."""
