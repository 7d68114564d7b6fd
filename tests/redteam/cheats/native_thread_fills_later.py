# A thread that Python does not know of writes after the return.
# class: T03 X
# backends: cpu_ref
# expected: failed
# prelude: yes

import ctypes, ctypes.util

libc = ctypes.CDLL(None)
keep = []


def softmax(x):
    y, answer = xp.zeros_like(x), honest(x)
    delay = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

    def work(_):
        import time

        time.sleep(0.004)
        ctypes.memmove(y.ctypes.data, answer.ctypes.data, y.nbytes)
        return None

    call = delay(work)
    thread = ctypes.c_ulong()
    libc.pthread_create(ctypes.byref(thread), None, call, None)
    keep.append((call, y, answer))
    return y
