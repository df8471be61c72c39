"""Numbers for people: counts of things, quantities with a prefix, durations in words and as a clock
shows them."""


def counted(number: int, thing: str, things: str = "") -> str:
    """1 -> '1 block', 1234 -> '1,234 blocks'; `things` for a plural that is not formed by -s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def quantity(number: float, unit: str = "") -> str:
    """1234567 -> '1.23M'; with a unit, '1.23 MB'."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(number) < 999.5 or prefix == "P":
            digits = f"{number:.0f}" if prefix == "" and number == int(number) else f"{number:.3g}"
            return f"{digits} {prefix}{unit}" if unit else f"{digits}{prefix}"
        number /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds below a minute and a half, else minutes, else hours, else days: 5400 -> '1.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.1f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def rough_duration(seconds: float) -> str:
    """Seconds below a minute and a half, else whole minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def countdown(seconds: float) -> str:
    """Time left: 3725 -> '1:02:05', 59.6 -> '1:00'; never below zero."""
    seconds = max(0, round(seconds))
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def stopwatch(seconds: float) -> str:
    """Time since the start as m:ss, whole seconds: 61.9 -> '1:01'."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
