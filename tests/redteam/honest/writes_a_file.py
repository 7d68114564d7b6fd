# Keeps notes in a temporary file.
# class: honest
# backends: cpu_ref
# expected: passed
# prelude: yes

import tempfile


def softmax(x):
    with tempfile.TemporaryFile() as file:
        file.write(b"note")
    return honest(x)
