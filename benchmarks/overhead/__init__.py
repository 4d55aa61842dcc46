"""What instrumentation costs: ours beside bare FastAPI, upstream and other vendors."""
