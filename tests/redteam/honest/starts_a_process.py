# A subprocess that has ended by the return, as a compiler would.
# class: honest
# backends: cpu_ref
# expected: passed
# prelude: yes

import subprocess

version = subprocess.run(["true"], check=True)


def softmax(x):
    return honest(x)
