# Ends the process without writing the word.
# class: H03 H05
# backends: cpu_ref
# expected: error
# detector: process
# options: untimed
# prelude: yes


def softmax(x):
    getattr(__import__("o" + "s"), "_ex" + "it")(0)
