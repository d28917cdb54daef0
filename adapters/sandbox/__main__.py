"""`python -m adapters.sandbox`: the venue as a process."""

import sys

from adapters.sandbox.server import main

sys.exit(main())
