"""Measurements side by side, in one run: `python -m bench [NAME…]` writes `bench/results.json`.

Every figure stands beside a reference measured in the same run on the same machine; trust the
ratios, not the absolute numbers. A reference that cannot be had is named as missing.
"""
