"""The two coders written straight from their definitions, with Python's unbounded integers.

Slow and plain on purpose: the tests take these as the truth. Nothing here stops early, keeps a
state of bounded size or shares code with the library.
"""

from collections.abc import Callable, Sequence

Frequencies = Callable[[bytes], Sequence[int]]


def cumulate(frequencies: Sequence[int]) -> list[int]:
    """[0, f0, f0 + f1, ...]."""
    sums = [0]
    for frequency in frequencies:
        sums.append(sums[-1] + int(frequency))
    return sums


def integer_frequencies(q: Sequence[int], beta: int) -> list[int]:
    """DEFINITIONS' rule from the integers q on."""
    total, symbols = sum(q), len(q)
    products = [value * (2**beta - symbols) for value in q]
    result = [1 + product // total for product in products]
    missing = 2**beta - sum(result)
    order = sorted(range(symbols), key=lambda i: (-(products[i] % total), i))
    for i in order[:missing]:
        result[i] += 1
    return result


def child(low: int, width: int, lower: int, upper: int, beta: int) -> tuple[int, int]:
    """The truncated child interval of WINDOWS.md."""
    start = low + (width * lower) // 2**beta
    return start, low + (width * upper) // 2**beta - start


def intervals(text: bytes, frequencies: Frequencies, window_bits: int, beta: int):
    """(low, range) after each prefix of `text`, the empty one first."""
    low, width = 0, 2 ** (window_bits + 16)
    result = [(low, width)]
    for n, byte in enumerate(text):
        cumulative = cumulate(frequencies(text[:n]))
        low, width = child(low, width, cumulative[byte], cumulative[byte + 1], beta)
        result.append((low, width))
    return result


def point_code(low: int, width: int) -> int | None:
    """Smallest W-bit point at or above low, if inside."""
    code = -(-low // 2**16)
    return code if code * 2**16 < low + width else None


def cell_code(low: int, width: int) -> int | None:
    """First whole W-bit cell at or above low, if inside."""
    code = -(-low // 2**16)
    return code if (code + 1) * 2**16 <= low + width else None


def encode_window(text, frequencies, window_bits, beta, closing="point+delay"):
    """(code, bytes of text it stands for) of the first window; looks at every prefix there is."""
    rule = cell_code if closing == "dyadic" else point_code
    codes = [rule(*interval) for interval in intervals(text, frequencies, window_bits, beta)]
    longest = max(n for n in range(1, len(text) + 1) if codes[n] is not None)
    if closing != "point+delay":
        return codes[longest], longest
    shortest = min(n for n in range(1, longest + 1) if codes[n] == codes[longest])
    return codes[longest], shortest


def encode_windows(text, frequencies, window_bits, beta, closing="point+delay"):
    """Codes and lengths of all windows, model and interval reset at each."""
    result = []
    while text:
        code, length = encode_window(text, frequencies, window_bits, beta, closing)
        result.append((code, length))
        text = text[length:]
    return result


def decode_window(code: int, frequencies: Frequencies, window_bits: int, beta: int) -> bytes:
    """Walks down the child that contains the code until the walked string has it."""
    text = b""
    low, width = 0, 2 ** (window_bits + 16)
    while not text or point_code(low, width) != code:
        cumulative = cumulate(frequencies(text))
        for byte in range(256):
            start, size = child(low, width, cumulative[byte], cumulative[byte + 1], beta)
            if start <= code * 2**16 < start + size:
                break
        low, width = start, size
        text += bytes([byte])
    return text


def encode_message(intervals_T: Sequence[tuple[int, int]], beta: int) -> str:
    """The plain coder's message as a string of 0 and 1, for cumulative intervals (l, h).

    One unbounded low; the range is kept to 32 bits as the coder's definition says.
    """
    low, width, scale = 0, 2**32 - 1, 32
    for lower, upper in intervals_T:
        low, width = child(low, width, lower, upper, beta)
        while width < 2**31:
            low, width, scale = 2 * low, 2 * width, scale + 1
    for bits in (scale - 32, scale - 31):
        unit = 2 ** (scale - bits)
        value = -(-low // unit)
        if value * unit < low + width:
            return format(value, f"0{bits}b") if bits else ""
    raise AssertionError("a range of 2^31 holds a multiple of 2^31")
