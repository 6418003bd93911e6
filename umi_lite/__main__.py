"""`python -m umi_lite`: the `umi` command, for launchers that start a module."""

from umi_lite.cli import main

if __name__ == "__main__":
    main()
