"""The figures of training and inference on a card: `python -m benchmarks.gpu.fit --help`."""
