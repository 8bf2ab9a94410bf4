"""`python -m trackway` is the command `trackway`."""

from trackway.cli import main

if __name__ == "__main__":
    main()
