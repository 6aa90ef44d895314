"""`python -m burnish` is the `burnish` command."""

import sys

from burnish.cli import main

sys.exit(main())
