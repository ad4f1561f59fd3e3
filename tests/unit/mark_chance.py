# SPDX-License-Identifier: Apache-2.0
"""usage: mark_chance.py TABLES_PY MARKS_TSV

How often the marks of binary values, with what must follow them, are met by chance in 100 MB of numbers that are close to each other, as those of images,
waveforms, coordinates and tables are. No measurement reaches so rare an event: it is computed, for each kind of numbers, as the mean over their means of the
product of the chances of each word of a mark, at each alignment. Exit 1 if a kind is over what it may have.
"""
import math
import runpy
import struct
import sys

ALL = ((0, 255),)
IN_100_MB = 1e8


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def has(byte, ranges):
    return any(low <= byte <= high for low, high in ranges)


class Words:
    """Words of `width` bytes, of which each is as likely as the others of its place: chance() of one whose bytes are in these ranges."""
    width = 1

    def __init__(self):
        self.known = {}

    def chance(self, word):
        if word not in self.known:
            self.known[word] = 1.0 if all(ranges == ALL for ranges in word) else self.of(word)
        return self.known[word]

    def of_sequence(self, ranges):
        """From any place on."""
        total = 0.0
        for before in range(self.width):
            padded = [ALL] * before + ranges
            padded += [ALL] * (-len(padded) % self.width)
            product = 1.0
            for at in range(0, len(padded), self.width):
                product *= self.chance(tuple(padded[at:at + self.width]))
                if product < 1e-30:
                    break
            total += product
        return total / self.width


class Samples(Words):
    """Samples of 8 bits about a mean, cut at black and at white; black: a part of them is 0 whatever is beside."""
    def __init__(self, mean, deviation, black=0.0):
        super().__init__()
        self.mean, self.deviation, self.black = mean, deviation, black

    def to(self, value):
        return 0.0 if value < 0 else 1.0 if value >= 255 else normal((value + 0.5 - self.mean) / self.deviation)

    def of(self, word):
        return (1 - self.black) * sum(self.to(high) - self.to(low - 1) for low, high in word[0]) + self.black * has(0, word[0])


class Edges(Samples):
    """… of which those beside each other are black behind an edge, or before one; one of so many samples is an edge."""
    def __init__(self, mean, deviation, samples):
        super().__init__(mean, deviation)
        self.samples = samples

    def of_sequence(self, ranges):
        each = [self.chance((one,)) for one in ranges]
        black = [has(0, one) for one in ranges]
        edges = sum(math.prod(each[:at]) for at in range(1, len(ranges)) if all(black[at:]))
        edges += sum(math.prod(each[at:]) for at in range(1, len(ranges)) if all(black[:at]))
        return edges / self.samples


class Shorts(Words):
    """Of 16 bits, little or big endian, signed where they are below zero, cut at least and most."""
    width = 2

    def __init__(self, mean, deviation, least, most, big):
        super().__init__()
        self.mean, self.deviation, self.least, self.most, self.big = mean, deviation, least, most, big

    def to(self, value):
        return 0.0 if value < self.least else 1.0 if value >= self.most else normal((value + 0.5 - self.mean) / self.deviation)

    def of(self, word):
        high_ranges, low_ranges = word if self.big else word[::-1]
        total = 0.0
        for low_high, high_high in high_ranges:
            for high in range(low_high, high_high + 1):
                for base in (high << 8, (high << 8) - 65536):
                    if base <= self.most and base + 255 >= self.least:
                        total += sum(self.to(base + b) - self.to(base + a - 1) for a, b in low_ranges)
        return total


class Longs(Words):
    """Of 32 bits, little endian."""
    width = 4

    def __init__(self, mean, deviation):
        super().__init__()
        self.mean, self.deviation = mean, deviation

    def to(self, value):
        return normal((value + 0.5 - self.mean) / self.deviation)

    def of(self, word):
        total = 0.0
        for high in range(int((self.mean - 8 * self.deviation) // 65536), int((self.mean + 8 * self.deviation) // 65536) + 1):
            if not (has(high >> 8 & 255, word[3]) and has(high & 255, word[2])):
                continue
            base = high << 16
            for middle_low, middle_high in word[1]:
                if word[0] == ALL:
                    total += self.to(base + (middle_high << 8 | 255)) - self.to(base + (middle_low << 8) - 1)
                    continue
                for middle in range(middle_low, middle_high + 1):
                    at = base + (middle << 8)
                    total += sum(self.to(at + b) - self.to(at + a - 1) for a, b in word[0])
        return total


class Floats(Words):
    """Of 32 bits, little endian: the upper half as the numbers are, the lower any."""
    width = 4

    def __init__(self, to):
        super().__init__()
        self.below = []  # of an upper byte, how often the one beside it is less than its index
        for high in range(256):
            sums = [0.0]
            for low in range(256):
                upper = high << 8 | low
                first, last = struct.unpack(">ff", struct.pack(">II", upper << 16, upper << 16 | 0xFFFF))
                there = math.isfinite(first) and math.isfinite(last)
                sums.append(sums[-1] + (abs(to(last) - to(first)) if there else 0.0))
            self.below.append(sums)

    def of(self, word):
        low = math.prod(sum(b - a + 1 for a, b in ranges) / 256 for ranges in word[:2])
        return low * sum(self.below[high][b + 1] - self.below[high][a]
                         for first, last in word[3] for high in range(first, last + 1) for a, b in word[2])


def evenly(models):
    return [(1 / len(models), model) for model in models]


# Hounsfield units, how much of a picture has them, and how unlike they are in themselves.
TISSUES = [(.36, -1000, 0), (.1, -800, 80), (.2, -100, 15), (.15, 20, 12), (.1, 50, 12), (.04, 200, 60), (.03, 500, 100), (.02, 1100, 120)]


def kinds():
    """Name, how often it may be in 100 MB, and weights and models."""
    for deviation in (2, 4, 8, 12, 16, 20, 24, 28, 32):
        # Speckle of ultrasound, with its logarithm taken, has 24 at most.
        yield f"8 bits, +-{deviation}", 1e-6 if deviation <= 24 else 1e-5, evenly([Samples(mean, deviation) for mean in range(0, 256, 5)])
    for black, deviation in ((.3, 8), (.3, 16), (.7, 16), (.3, 24), (.7, 24)):
        yield (f"8 bits, +-{deviation}, black {black}", 1e-6 if black > .5 or deviation < 24 else 1e-5,
               evenly([Samples(mean, deviation, black) for mean in range(0, 256, 5)]))
    for deviation in (8, 16, 24):
        yield f"8 bits, +-{deviation}, edges to black", 1e-6, evenly([Edges(mean, deviation, 100) for mean in range(0, 256, 5)])
    for deviation in (5, 40, 300):
        for name, offset, least, most in (("signed", 0, -1024, 3071), ("unsigned", 1024, 0, 4095), ("uncut", 0, -32768, 32767)):
            yield (f"CT {name}, +-{deviation}", 1e-6,
                   [(share, Shorts(mean + offset, math.hypot(deviation, own), least, most, False)) for share, mean, own in TISSUES])
    for deviation in (16, 256, 2048):
        yield f"16 bits, +-{deviation}", 1e-6, evenly([Shorts(mean, deviation, 0, 65535, False) for mean in range(512, 65536, 1024)])
    for big in (False, True):
        for deviation in (20, 200, 800, 3000):
            yield f"waveform, {'big' if big else 'little'} endian, +-{deviation}", 1e-6, [(1, Shorts(0, deviation, -32768, 32767, big))]
    for name, to in (("coordinates to 500", lambda v: min(1, max(0, (v + 500) / 1000))), ("about 0, +-1", normal),
                     ("about 0, +-100", lambda v: normal(v / 100)), ("0 to 1", lambda v: min(1, max(0, v))),
                     ("about 40, +-10", lambda v: normal((v - 40) / 10)), ("about 1000, +-30", lambda v: normal((v - 1000) / 30))):
        yield f"floats, {name}", 1e-6, [(1, Floats(to))]
    for mean, deviation in ((0, 5), (0, 100), (0, 3000), (0, 1e5), (0, 1e6), (1000, 300), (50000, 15000)):
        yield f"32 bits about {mean}, +-{deviation:g}", 1e-6, [(1, Longs(mean, deviation))]


def read_marks(tables, path):
    """Of each mark its text, the ranges of its bytes and of those behind it, and code's; code by check."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    marks, code = {}, {}
    for mark, check, where, *then in rows[1:]:
        then = then[0] if then else ""
        word = tables["unescaped"](mark)
        ranges = [((b - 32, b - 32), (b, b)) if 97 <= b <= 122 else ((b, b),) for b in word]
        if where == "code":
            code.setdefault(check, []).append(ranges)
        elif "binary" in where.split(","):
            marks[word, then] = (mark, ranges + [((low, high),) for low, high in tables["then_of"](then)], tables["within"](then), check)
    return list(marks.values()), code


def met(mixture, mark, code):
    _, ranges, within, check = mark
    total = 0.0
    for weight, model in mixture:
        chance = model.of_sequence(ranges)
        if within and chance > 1e-20:
            chance *= min(1.0, within * sum(model.of_sequence(one) for one in code[check]))
        total += weight * chance
    return total * IN_100_MB


def main():
    marks, code = read_marks(runpy.run_path(sys.argv[1]), sys.argv[2])
    over = False
    for name, most, mixture in kinds():
        each = sorted(((met(mixture, mark, code), mark[0]) for mark in marks), reverse=True)
        total = sum(chance for chance, _ in each)
        over |= total > most
        first = ", ".join(f"{mark} {chance:.1g}" for chance, mark in each[:3] if chance > 1e-9)
        print(f"{name:32}{total:8.1e}{'' if total <= most else f', over {most:g}'}  {first}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
