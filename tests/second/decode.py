#!/usr/bin/env python3
"""decode.py ARCHIVE [OUT]: decodes an aizip archive (to stdout by default).

A second decoder, written from docs/format.md alone. It is there to prove that document, and to be
read beside it: the section numbers below are the document's. It is slow (about 1 KB a second).
It gives out nothing of an archive that it refuses: one sentence on stderr, and exit code 1."""

import sys
from collections import defaultdict
from functools import lru_cache
from operator import eq

U32 = 2**32 - 1
U64 = 2**64 - 1


class Refused(Exception):
    """Why an archive is refused: one of the four names of section 1.1, and what was wrong."""


def require(condition, name, sentence):
    if not condition:
        raise Refused(f"{name}: {sentence}")


# ---- 1.3 Checks ------------------------------------------------------------------------------

P1, P2, P3, P4, P5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1


def rotl(v, n):
    v &= U32
    return (v << n | v >> (32 - n)) & U32


def xxh32(seed, data):
    at = 0
    if len(data) >= 16:
        lanes = [seed + P1 + P2, seed + P2, seed, seed - P1]
        while len(data) - at >= 16:
            for k in range(4):
                word = int.from_bytes(data[at:at + 4], "little")
                lanes[k] = rotl(lanes[k] + word * P2, 13) * P1
                at += 4
        h = sum(rotl(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18)))
    else:
        h = seed + P5
    h += len(data)
    while len(data) - at >= 4:
        h = rotl(h + int.from_bytes(data[at:at + 4], "little") * P3, 17) * P4
        at += 4
    for byte in data[at:]:
        h = rotl(h + byte * P5, 11) * P1
    h &= U32
    h = (h ^ h >> 15) * P2 & U32
    h = (h ^ h >> 13) * P3 & U32
    return h ^ h >> 16


# ---- 5.3 Tables ------------------------------------------------------------------------------

LIMIT = 3904                # stretched probabilities go from -LIMIT to LIMIT


def clamp(v, a):
    return -a if v < -a else a if v > a else v


def divide(a, b):
    """a / b, rounded towards zero (b > 0)."""
    return a // b if a >= 0 else -(-a // b)


def make_squash():
    table = [2**21] * (2 * LIMIT + 1)       # squash[x] is at LIMIT + x
    e = U64
    for x in range(1, LIMIT + 1):
        e = e * 0xFF007FD55FFDDE39 >> 64
        odds = e >> 24
        p = max(1, (odds << 22) // (2**40 + odds))
        table[LIMIT - x] = p
        table[LIMIT + x] = 2**22 - p
    return table


SQUASH = make_squash()


def inverse(q):
    """The largest x with squash[x] <= q."""
    low, high = -LIMIT, LIMIT
    while low < high:
        middle = (low + high + 1) // 2
        if SQUASH[LIMIT + middle] <= q:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=None)
def stretch(p):
    if p < 4096:
        return inverse(p)
    if p > 2**22 - 4096:
        return -inverse(2**22 - p)
    return inverse((p >> 10 << 10) + 512)


def make_histories():
    """The states as (n0, n1, recent), and for each the two that follow it."""
    keep = (0, 1, 2, 3, 4, 5, 5, 6, 6, 6)
    most = (48, 30, 12, 6, 5)

    def allowed(a, b):
        return min(a, b) <= 4 and max(a, b) <= most[min(a, b)]

    def step(history, bit):
        other, same, recent = history[1 - bit], history[bit] + 1, history[2]
        other = keep[other] if other < 10 else 7
        while not allowed(same, other):
            if same > 1 and allowed(same - 1, other):
                same -= 1
            elif other > 0:
                other -= 1
            else:
                same -= 1
        n0, n1 = (other, same) if bit else (same, other)
        if n0 == 0 or n1 == 0:
            recent = 1 if n1 > 0 else 0
        elif n0 + n1 <= 4:
            recent = (2 * recent + bit) % 2**(n0 + n1)
        else:
            recent = bit
        return n0, n1, recent

    states, follows = [(0, 0, 0)], []
    for state in states:                    # grows while it is walked
        follows.append([])
        for bit in (0, 1):
            history = step(state, bit)
            if history not in states:
                states.append(history)
            follows[-1].append(states.index(history))
    return states, follows


STATES, NEXT = make_histories()
WORTH = [n0 + n1 for n0, n1, _ in STATES]


# ---- 5.4 Counters ----------------------------------------------------------------------------

def update_entry(entries, k, bit):
    """Of a map entry, a probability times 2^32."""
    a = entries[k]
    if bit:
        b = U32 - a
        entries[k] = U32 - (b - (b >> 7))
    else:
        entries[k] = a - (a >> 7)


class Counter:
    def __init__(self, p, n):
        self.p, self.n = p, n

    def update(self, bit, limit):
        self.p += (((bit << 22) - self.p) >> 3) * (16384 // (2 * self.n + 3)) >> 10
        if self.n < limit:
            self.n += 1


# ---- 5.5 Hashing, 5.6 Contexts ---------------------------------------------------------------

def H(a, b):
    h = (a * 0x2C1B3C6D + b * 0x297A2D39 + 0x01234567) & U32
    h = (h ^ h >> 15) * 0x9E3779B1 & U32
    return h ^ h >> 13


def bucket(n):
    return (0 if n == 0 else 1 + n // 2 if n < 16 else 9 + (n - 16) // 4 if n < 32 else
            13 if n < 64 else 14 if n < 400 else 15)


def kind(byte):
    return (0 if byte in b" \n" else 1 if bytes([byte]).isalpha() else
            2 if bytes([byte]).isdigit() else 3)


# 6: most lines, match models, most M, weight sets, final stages.
LEVELS = [None, (262144, 1, 20, 2, 1), (393216, 1, 20, 2, 1), (524288, 1, 20, 3, 2),
          (1048576, 2, 20, 4, 2), (1572864, 1, 20, 4, 2), (2097152, 2, 22, 6, 4),
          (3145728, 2, 22, 7, 4), (6291456, 3, 22, 8, 4), (10485760, 3, 22, 8, 4)]


# ---- 5.7 Match models ------------------------------------------------------------------------

class Match:
    def __init__(self, min_len, M):
        self.min_len, self.M = min_len, M
        self.table = [0] * 2**M
        self.ptr = self.len = self.misses = self.expected = self.rolling = 0
        self.counters = {(b, misses, bit, first): Counter(abs((bit << 22) - 2**22 // (2 * b + 3)), 0)
                         for b in range(16) for misses in range(8)
                         for bit in (0, 1) for first in (False, True)}

    def byte_begins(self, block):
        pos = len(block)
        if pos == 0:
            return
        byte = block[-1]
        shift = (63 + self.min_len) // self.min_len
        byte_term = (byte + 1) * 0x2F0B4C47 & U32
        self.rolling = ((self.rolling * 0x9E3779B1 << shift) + byte_term) & U64
        h = self.rolling >> (64 - self.M)
        if self.expected:
            hit = byte == self.expected & 255
            self.misses = self.misses << 1 & 255 | (not hit)
            self.len = min(self.len + 1, 65535) if hit else 0
            self.ptr = 0 if self.misses == 255 else self.ptr + 1
        if pos >= self.min_len:
            q = self.table[h]
            if self.len < 16 and q:
                k = 0
                while k < 400 and k < q and block[q - 1 - k] == block[pos - 1 - k]:
                    k += 1
                if k >= self.min_len and k > self.len:
                    self.ptr, self.len, self.misses = q, k, 0
            self.table[h] = pos
        self.expected = 256 + block[self.ptr] if self.ptr else 0

    def choose(self, c0, bit_pos):
        """The counter for this bit, or None."""
        if not self.expected or self.expected >> (8 - bit_pos) != c0:
            return None
        bit = self.expected >> (7 - bit_pos) & 1
        return self.counters[bucket(self.len), self.misses & 7, bit, bit_pos == 0]


# ---- 5 The predictor -------------------------------------------------------------------------

def dot_product(weights, inputs):
    dot = sum([(w >> 16) * x >> 7 for w, x in zip(weights, inputs)])
    return clamp(dot >> 5, LIMIT)


def train(weights, inputs, bit, p, rate):
    """`weights` learn the error of the prediction p that they have made."""
    e = clamp((((bit << 22) - p) * rate + 2**17) >> 18, 32767)
    weights[:] = [w + x * e for w, x in zip(weights, inputs)]
    if max(weights) > 0x77FFFFFF or min(weights) < -0x77FFFFFF:
        weights[:] = [clamp(w, 0x77FFFFFF) for w in weights]


class Predictor:
    """predict() for each bit, and then learn(bit)."""

    def __init__(self, N, level):
        self.level = level
        most_lines, n_matches, most_M, self.S, self.A = LEVELS[level]
        self.match_state = self.c1 = self.c4 = self.c8 = self.field = self.first = 0
        self.field_hash = self.period = self.n_bits = 0
        self.kinds = 255                    # as after four zeros
        self.word, self.line = [0] * 4, [0] * 2
        self.after1, self.after2 = [0] * 256, [0] * 65536
        self.score = [0] * 4097
        self.block, self.c0, self.bit_pos = bytearray(), 1, 0
        logarithm = max(10, (N - 1).bit_length())
        self.matches = [Match(min_len, min(logarithm, most_M))
                        for min_len in (6, 20, 11)[:n_matches]]
        self.byte_begins()
        n = len(self.hash)
        self.K = min(logarithm, 16)
        self.n_lines = min(N * n // 12 + 256, most_lines)
        self.table = bytearray(64 * self.n_lines)
        self.slots = [0] * n                # where each begins in the table
        self.run_at, self.run_expected, self.run_index = [0] * n, [0] * n, [0] * n
        lanes = n + 1
        self.order0 = bytearray(256)
        start = [(((n1 * 16 + 6) << 22) // ((n0 + n1) * 16 + 12)) << 10 for n0, n1, _ in STATES]
        self.maps = [start[:] for _ in range(lanes)]
        start = [abs((e % 2 << 22) - 2**22 // (3 * (e // 2) + 2)) << 10 for e in range(32)]
        self.run_maps = [start[:] for _ in range(lanes)]
        parts = (30,) if level == 1 else (180 // lanes, 0, 20 // lanes)
        start = [2**28 // 100 * part for part in parts for _ in range(lanes)]
        start += [2**28 // 100 * 25] * 2 * n_matches + [0]
        self.layer1 = [defaultdict(start.copy) for _ in range(self.S)]
        self.layer2 = [defaultdict(lambda: [2**28 // self.S] * self.S) for _ in range(3)]
        self.stages = [defaultdict(self.new_stage_row) for _ in range(self.A)]
        self.find_slots()

    @staticmethod
    def new_stage_row():
        return [Counter(SQUASH[LIMIT + clamp((j - 16) * 256, LIMIT)], 60) for j in range(33)]

    # 5.6

    def above(self, k):
        a = self.line[1] + len(self.block) - self.line[0] + k
        return self.block[a] if a < self.line[0] else 10

    def back(self, r, k):
        n = r * self.period + k
        return self.block[-n] if self.period and 1 <= n <= len(self.block) else 0

    def context_values(self):
        """Of all contexts, with their levels, in the order of the table."""
        c1, c4, c8, period, place = self.c1, self.c4, self.c8, self.period, self.place
        word, field, first, field_hash = self.word, self.field, self.first, self.field_hash
        above, back, (E0, M0, E1, M1) = self.above, self.back, self.expected
        followed1, followed2 = self.after1[c1], self.after2[c4 & 0xFFFF]
        if period < 3:
            neighbours = H(back(1, 0) | back(2, 0) << 8 | c4 << 16, 1)
        else:
            neighbours = H(back(1, 0) | c1 << 8, back(1, 1) | back(1, -1) << 8)
        pixels = back(1, 0) | (c4 & 15) << 8 | (back(1, -1) >> 6) << 13 | (back(1, 1) & 3) << 17
        return [
            (1, c1), (1, c4 & 0xFFFF), (1, c4 & 0xFFFFFF), (1, c4),
            (1, H(c4, c8 & 0xFFFF)), (1, H(word[0], c1)), (3, c4 & 0xFFFF00),
            (4, neighbours), (4, H(self.column, above(0))), (5, H(E0 | c1 << 16, bucket(M0))),
            (6, H(back(1, 0) | c1 << 8, period)), (5, H(back(1, 0) | back(2, 0) << 8, place)),
            (5, H(pixels, period)), (5, H(field_hash, field | first << 8)),
            (5, H(word[0], word[1])), (6, H(followed1, c1)), (6, H(c4, c8 & 0xFF)),
            (6, H(followed2 & 0xFFFF, c1)), (6, H(c1 + back(1, 0) - back(1, 1), period)),
            (6, H(above(0), c1 | above(1) << 8)), (7, H(word[0], word[2])),
            (7, c4 & 0xFF00FF), (7, c4 & 0xFFFFFF00), (7, H(H(word[0], word[1]), word[2])),
            (7, H(2 * back(1, 0) - back(2, 0), c1 >> 2)), (7, H(place, c1)),
            (8, H(field_hash, above(0) | field << 8 | 0x10000 * c1)),
            (8, H(word[1], c4 & 0xFFFF)), (8, H(c4, c8 & 0xFFFFFF)), (8, c4 >> 16),
            (8, H((c1 + back(1, 0)) >> 1, (c1 - back(1, 0)) >> 3 & 31)),
            (8, H(word[0], word[3] + 1)), (8, H(E0 | E1 << 16, bucket(M1))),
            (8, H(followed2 & 0xFFFFFF, c4 & 0xFFFF)),
            (8, H(first | (c4 & 0xFFFF) << 8, field)), (8, c4 & 0xFF00FFFF), (9, H(c4, c8)),
        ]

    def byte_begins(self):
        for match in self.matches:
            match.byte_begins(self.block)
        self.expected = [v for match in self.matches for v in (match.expected, match.len)]
        self.expected = (self.expected + [0, 0])[:4]
        self.column = min(len(self.block) - self.line[0], 255)
        self.place = len(self.block) % self.period if self.period else 0
        self.hash = [H(value, (k + 1) * 0x9E3779B1)
                     for k, (level, value) in enumerate(self.context_values())
                     if level <= self.level]

    def history(self, byte):
        self.after1[self.c1] = (self.after1[self.c1] << 8 | byte) & U32
        pair = self.c4 & 0xFFFF
        self.after2[pair] = (self.after2[pair] << 8 | byte) & U32
        self.c8 = (self.c8 << 8 | self.c4 >> 24) & U32
        self.c4, self.c1 = (self.c4 << 8 | byte) & U32, byte
        self.kinds = self.kinds >> 2 | kind(byte) << 6
        self.block.append(byte)
        pos = len(self.block)

        lower = byte + 32 if 65 <= byte <= 90 else byte
        if 97 <= lower <= 122 or byte >= 128:
            self.word[0] = H(self.word[0], lower + 1)
        elif self.word[0]:
            self.word = [0] + self.word[:3]

        if byte == 10:
            self.line = [pos, self.line[0]]
            self.field = self.field_hash = self.first = 0
        else:
            if pos - self.line[0] == 1:
                self.first = byte
            if byte in b" \t,;:|":
                self.field, self.field_hash = self.field + 1, 0
            else:
                self.field_hash = H(self.field_hash, byte + 1)

        if self.level >= 3 and (pos == 8192 or pos % 16384 == 0):
            self.period = self.find_period()

    def find_period(self):
        end = len(self.block)
        begin = end - 4095
        # None, which equals no byte, where a byte is like the one before it.
        window = [self.block[k] if self.block[k] != self.block[k - 1] else None
                  for k in range(begin, end)]
        score, best, best_score = self.score, 0, 0
        for p in range(2, 4097):
            found = sum(map(eq, window, self.block[begin - p:end - p]))
            score[p] += found - score[p] // 4
            if score[p] > best_score + best_score // 16:
                best, best_score = p, score[p]
        mean = sum(score) // 4095
        return best if best_score > mean + mean // 2 + 32 else 0

    # 5.5

    def find_slots(self):
        table = self.table
        for i, h in enumerate(self.hash):
            if self.bit_pos == 4:
                h = H(h, self.c0)
            line = 64 * (h * self.n_lines >> 32)
            check = (h & 0xFFFF or 1).to_bytes(2, "little")
            places = (line, line + 21, line + 42)
            for slot in places:
                if table[slot:slot + 2] == check:
                    break
            else:
                slot = min(places, key=lambda at: WORTH[table[at + 2]])
                table[slot:slot + 21] = check + bytes(19)
            self.slots[i] = slot
            if self.bit_pos == 0 and self.level > 1:
                count = table[slot + 18]
                self.run_at[i] = slot + 17
                self.run_expected[i] = 256 + table[slot + 17] if count else 0
                self.run_index[i] = min(count, 15)

    def learn_runs(self, byte):
        for at in self.run_at:
            same = self.table[at + 1] and self.table[at] == byte
            self.table[at + 1] = min(self.table[at + 1] + 1, 255) if same else 1
            self.table[at] = byte

    # 5.8

    def predict(self):
        c0, bit_pos = self.c0, self.bit_pos
        if bit_pos < 4:
            node = c0
        else:
            node = 2**(bit_pos - 4) + c0 % 2**(bit_pos - 4)
        self.nodes = [slot + 1 + node for slot in self.slots]
        self.states = [self.table[at] for at in self.nodes] + [self.order0[c0]]
        entries = [entries[state] for entries, state in zip(self.maps, self.states)]
        inputs = [stretch(a >> 10) for a in entries]
        if self.level > 1:
            self.runs = [2 * index + (expected >> (7 - bit_pos) & 1)
                         if expected >> (8 - bit_pos) == c0 else 0
                         for expected, index in zip(self.run_expected, self.run_index)] + [0]
            inputs += [(a - 2**31) >> 23 for a in entries]
            inputs += [stretch(runs[k] >> 10) for runs, k in zip(self.run_maps, self.runs)]

        self.match_counters = [match.choose(c0, bit_pos) for match in self.matches]
        for counter in self.match_counters:
            inputs += [stretch(counter.p), (counter.p - 2**21) >> 12] if counter else [0, 0]
        self.match_state = 1 + bucket(self.matches[0].len) if self.match_counters[0] else 0
        self.inputs = inputs + [256]

        by_match = self.match_state * 8 + bit_pos
        rows = (by_match, c0, self.c1, self.kinds * 8 + bit_pos,
                self.place & 255 if self.period else self.column, self.c4 >> 8 & 255,
                self.expected[0] & 255, (self.field & 255) * 8 + bit_pos)
        self.rows1 = [weights[row] for weights, row in zip(self.layer1, rows)]
        self.v = [dot_product(weights, self.inputs) for weights in self.rows1]
        if self.level > 1:
            self.rows2 = [weights[row]
                          for weights, row in zip(self.layer2, (c0, by_match, self.c1))]
            self.u = [dot_product(weights, self.v) for weights in self.rows2]
            m = divide(sum(self.u), 3)
        else:
            m = divide(sum(self.v), self.S)

        j, part = divmod(m + 4096, 256)
        self.noted, total = [], 0
        rows = (c0 + (256 if self.match_state else 0), H(self.c1, c0) >> (32 - self.K),
                H((self.c4 & 0xFFFF) + 256, c0) >> (32 - self.K),
                H((self.c4 & 0xFFFFFF) + 65792, c0) >> (32 - self.K))
        for stage, row in zip(self.stages, rows):
            counters = stage[row]
            total += (counters[j].p * (256 - part) + counters[j + 1].p * part) >> 8
            self.noted.append(counters[j] if part < 128 else counters[j + 1])
        return max(1, min(total // self.A, 2**22 - 1))

    # 5.9, and the rest of next(bit) of 5.2

    def learn(self, bit):
        if self.level > 1:
            for weights, u in zip(self.rows2, self.u):
                train(weights, self.v, bit, SQUASH[LIMIT + u], 300)
        rate = 400 + 1000000 // (self.n_bits + 2000)
        for weights, v in zip(self.rows1, self.v):
            train(weights, self.inputs, bit, SQUASH[LIMIT + v], rate)
        self.n_bits = min(self.n_bits + 1, 2**24)
        for counter in self.noted:
            counter.update(bit, 255)
        for entries, state in zip(self.maps, self.states):
            update_entry(entries, state, bit)
        for at, state in zip(self.nodes, self.states):
            self.table[at] = NEXT[state][bit]
        self.order0[self.c0] = NEXT[self.states[-1]][bit]
        if self.level > 1:
            for entries, k in zip(self.run_maps, self.runs):
                update_entry(entries, k, bit)
        for counter in self.match_counters:
            if counter:
                counter.update(bit, 1023)

        self.c0, self.bit_pos = self.c0 * 2 + bit, self.bit_pos + 1
        if self.bit_pos == 8:
            byte = self.c0 & 255
            if self.level > 1:
                self.learn_runs(byte)
            self.c0, self.bit_pos = 1, 0
            self.history(byte)
            self.byte_begins()
            self.find_slots()
        elif self.bit_pos == 4:
            self.find_slots()


# ---- 4 The range coder -----------------------------------------------------------------------

class RangeDecoder:
    def __init__(self, payload):
        self.payload, self.n_read = payload, 8
        self.range = U64
        self.code = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")

    def bit(self, p):
        split = (self.range >> 22) * p
        bit = self.code < split
        if bit:
            self.range = split
        else:
            self.code -= split
            self.range -= split
        while self.range < 2**56:
            byte = self.payload[self.n_read] if self.n_read < len(self.payload) else 0
            self.code = (self.code << 8 | byte) & U64
            self.range <<= 8
            self.n_read += 1
        return int(bit)


def decode_payload(payload, N, level):
    """3.2: the content of a coded block."""
    require(payload[-1:] != b"\0", "damaged", "a payload ends in a zero")
    coder, predictor = RangeDecoder(payload), Predictor(N, level)
    for _ in range(8 * N):
        predictor.learn(coder.bit(predictor.predict()))
    require(coder.n_read >= len(payload), "damaged", "a payload is longer than its content needs")
    return bytes(predictor.block)


# ---- 2, 3 The container ----------------------------------------------------------------------

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        require(len(self.data) - self.at >= n, "cut off", "the archive ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n_bytes):
        return int.from_bytes(self.take(n_bytes), "little")

    def varint(self):
        value = 0
        for k in range(10):
            byte = self.number(1)
            value |= (byte & 127) << 7 * k
            if byte < 128:
                require(byte or k == 0, "damaged", "a number is not in its shortest form")
                require(k < 9 or byte == 1, "damaged", "a number is too large")
                return value
        raise Refused("damaged: a number is too large")

    def same(self, expected, what):
        require(self.take(len(expected)) == expected, "damaged", f"{what} is wrong")


MAGIC = b"\x9aAIZ"


def read_frame(reader):
    """The contents of the frame's blocks, in order; sections 2, 3.1 and 3.3."""
    start = reader.data[reader.at:reader.at + 5]
    require(start[:4] == MAGIC[:len(start)], "no archive", "no frame begins where one should")
    require(len(start) == 5, "cut off", "the archive ends too early")
    require(start[4] & 15 == 1, "unknown", "the format version is not 1")
    require(start[4] >> 4 == 0, "unknown", "the frame header has an extension")
    header = reader.take(8)
    require(reader.number(1) == xxh32(0, header) & 255, "damaged", "a frame header's check is wrong")
    settings, level, block_log = header[4:], header[7] & 15, 16 + (header[7] >> 4)
    require(1 <= level <= 9 and block_log <= 26, "damaged", "a frame has no such level or block size")
    require(header[5:7] == b"\1\1", "unknown", "the frame's method or its version is not known")
    seed = int.from_bytes(settings, "little")
    most_blocks = U64 >> block_log

    contents, entries, last = [], [], False
    while not last:
        begin = reader.at
        if contents:
            reader.same(b"\x9aBK" + settings[3:], "a block's mark")
            reader.same(frame_id, "a block's id")
        flags = reader.number(1)
        require(flags < 4, "damaged", "a block has reserved flags")
        last, stored = bool(flags & 1), bool(flags & 2)
        if contents:
            require(reader.varint() == len(contents) < most_blocks, "damaged", "a block's number is wrong")
        n_content = reader.varint() if last else 2**block_log
        require(n_content <= 2**block_log and (n_content or not contents), "damaged",
                "a block's content size is wrong")
        n_payload = n_content if stored else reader.varint()
        require(stored or n_payload < n_content, "damaged", "a block's payload size is wrong")
        content_check = None if stored else reader.number(4)
        head = reader.data[begin:reader.at]
        check = reader.take(4)
        payload = reader.take(n_payload)
        require(int.from_bytes(check, "little") == xxh32(seed, head + payload), "damaged",
                "a block's check is wrong")
        if not contents:
            frame_id = check
        content = payload if stored else decode_payload(payload, n_content, level)
        require(stored or content_check == xxh32(0, content), "damaged",
                "the check of a block's content is wrong")
        contents.append(content)
        entries.append(0 if stored else n_payload + 1)

    if len(contents) > 1:
        begin = reader.at
        reader.same(b"\x9aIXD", "the index's mark")
        reader.same(frame_id, "the index's id")
        for value in [len(contents), len(contents[-1])] + entries:
            require(reader.varint() == value, "damaged", "the index does not agree with the blocks")
        reader.same(settings, "the index's settings")
        covered = reader.data[begin:reader.at]
        require(reader.number(4) == xxh32(seed, covered), "damaged", "the index's check is wrong")
        n_index = reader.number(8)
        reader.same(b"DXI\x9a", "the index's end mark")
        require(n_index == reader.at - begin, "damaged", "the index's size is wrong")
    return contents


def decode(data):
    reader, contents = Reader(data), []
    require(data, "cut off", "the archive is empty")
    while reader.at < len(data):
        contents += read_frame(reader)
    return b"".join(contents)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: decode.py ARCHIVE [OUT]")
    try:
        with open(sys.argv[1], "rb") as file:
            content = decode(file.read())
        if len(sys.argv) == 3:
            with open(sys.argv[2], "wb") as file:
                file.write(content)
        else:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
    except (Refused, OSError) as error:
        sys.exit(f"decode.py: {sys.argv[1]}: {error}.")


if __name__ == "__main__":
    main()
