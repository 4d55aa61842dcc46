"""What runs in a contestant's own environment: by path, so that nothing of ours is importable."""
