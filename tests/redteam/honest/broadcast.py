# Broadcast addition into a new array.
# class: honest
# backends: cpu_ref torch
# task: broadcast/add_bias
# expected: passed


def add_bias(x, bias):
    return x + bias
