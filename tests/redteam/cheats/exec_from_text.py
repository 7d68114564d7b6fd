# Builds its patch from text at run time.
# class: H03 R06
# backends: cpu_ref
# expected: failed error
# options: timed
# prelude: yes

exec(
    bytes.fromhex("696d706f72742074696d653b2074696d652e706572665f636f756e7465725f6e73203d206c616d6264613a2030").decode()
)


def softmax(x):
    return honest(x)
