"""What a run costs. Each module is a script: `python -m benchmarks.NAME`."""
