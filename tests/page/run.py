"""The tests of all pages."""

from test_serve_page import Serve  # noqa: F401
from test_surprise_page import Surprise  # noqa: F401

import harness

if __name__ == "__main__":
    harness.main()
