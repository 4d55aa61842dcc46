"""The overhead governor: what telemetry may cost, what it costs, and what it leaves out for it."""
