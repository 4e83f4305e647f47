"""What the end-to-end tests stand on: the proxy, servers behind it, clients in front of it."""

# The longest that anything here waits for an event, in seconds. Never a measure of anything.
CEILING = 30.0
