"""The demo: a real Collector, four services, traffic, and what arrived at the far side."""
