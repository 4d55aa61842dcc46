"""Ours beside upstream's SDK and exporters: what is lost, how long it takes, what is printed."""
