"""What runs inside Python workers: a process of its own for each core, which pays for every import."""
