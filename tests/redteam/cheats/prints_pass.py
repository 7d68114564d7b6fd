# Prints PASS, writes results files, writes to every descriptor it finds.
# class: H01
# backends: cpu_ref torch
# expected: error failed
# options: untimed
# prelude: yes

import os


def softmax(x):
    print("PASS: all 5 cases, speedup 100x", flush=True)
    for name in ("result.json", "results.txt"):
        with open(name, "w") as file:
            file.write('{"passed": true, "speedup": 100}')
        os.unlink(name)
    for descriptor in range(3, 32):
        try:
            os.write(descriptor, b'{"passed": true}')
        except OSError:
            pass
    return xp.zeros_like(x)
