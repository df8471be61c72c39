"""How a command says what is wrong."""


def is_one_line(error: str) -> bool:
    """Is this, from standard error, one line of the command `freevocab`?"""
    return error.startswith("freevocab: ") and error.count("\n") == 1
