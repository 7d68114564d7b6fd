# Leaves while it is imported.
# class: H05
# backends: cpu_ref triton
# expected: error
# options: untimed

import sys

sys.exit(0)
