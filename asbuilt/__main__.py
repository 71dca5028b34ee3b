"""`python -m asbuilt` is the command line."""

from asbuilt.cli import main

main()
