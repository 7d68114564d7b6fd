"""`python -m kparity` is the console script."""

from kparity.cli import main

if __name__ == "__main__":
    main()
