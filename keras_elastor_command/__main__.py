"""`python -m keras_elastor_command`."""

import sys

from keras_elastor_command import main

if __name__ == "__main__":
    sys.exit(main())
