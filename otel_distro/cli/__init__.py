"""The command `blipee-otel`."""
