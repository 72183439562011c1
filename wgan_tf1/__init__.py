"""The Wasserstein GAN as it was first written: TensorFlow 1.x graphs and sessions."""

import os

# Before TensorFlow is imported. It leaves oneDNN's kernels off on AVX2, where they are up to four times as fast.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')  # nothing here needs Keras, and to import it takes a second

__version__ = '1.0.0'
