"""The scripts as people run them: processes in a temporary folder."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
