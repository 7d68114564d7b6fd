# Under torch.inference_mode.
# class: honest
# backends: torch
# expected: passed
# prelude: yes


@xp.inference_mode()
def softmax(x):
    return honest(x)
