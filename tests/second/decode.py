#!/usr/bin/env python3
"""decode.py ARCHIVE [OUT]: decodes an aizip archive (to stdout by default).

A second decoder, written from docs/format.md alone. It is there to prove that document, and to be
read beside it: the section numbers below are the document's. It is slow (1 to 2 KB a second).
It gives out nothing of an archive that it refuses: one sentence on stderr, and exit code 1."""

import sys
from bisect import bisect_right
from collections import defaultdict
from functools import lru_cache
from operator import eq

U32, U64 = 2**32 - 1, 2**64 - 1

class Refused(Exception):
    """Why an archive is refused: one of the four names of section 1.1, and what was wrong."""

def require(condition, sentence, name="damaged"):
    if not condition:
        raise Refused(f"{name}: {sentence}")

# ---- 1.3 Checks ------------------------------------------------------------------------------
P1, P2, P3, P4, P5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1

def rotl(v, n):
    return (v << n | (v & U32) >> (32 - n)) & U32

def xxh32(seed, data):                      # as its 4 bytes, the least significant first
    n_words = len(data) // 4
    words = [int.from_bytes(data[4 * k:4 * k + 4], "little") for k in range(n_words)]
    h = seed + P5
    if len(data) >= 16:
        lanes = [seed + P1 + P2, seed + P2, seed, seed - P1]
        for k in range(n_words // 4 * 4):
            lanes[k % 4] = rotl(lanes[k % 4] + words[k] * P2, 13) * P1
        h = sum(rotl(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18)))
        words = words[n_words // 4 * 4:]
    h += len(data)
    for word in words:
        h = rotl(h + word * P3, 17) * P4
    for byte in data[4 * n_words:]:
        h = rotl(h + byte * P5, 11) * P1
    h &= U32
    h = (h ^ h >> 15) * P2 & U32
    h = (h ^ h >> 13) * P3 & U32
    return (h ^ h >> 16).to_bytes(4, "little")

# ---- 5.3 Tables ------------------------------------------------------------------------------
LIMIT = 3904                # stretched probabilities go from -LIMIT to LIMIT

def clamp(v, a):
    return -a if v < -a else a if v > a else v

def make_squash():
    table = [2**21] * (2 * LIMIT + 1)       # squash[x] is at LIMIT + x
    e = U64
    for x in range(1, LIMIT + 1):
        e = e * 0xFF007FD55FFDDE39 >> 64
        p = max(1, ((e >> 24) << 22) // (2**40 + (e >> 24)))
        table[LIMIT - x], table[LIMIT + x] = p, 2**22 - p
    return table

SQUASH = make_squash()

def inverse(q):
    return max(bisect_right(SQUASH, q) - 1, 0) - LIMIT

@lru_cache(maxsize=None)
def stretch(p):
    if p < 4096:
        return inverse(p)
    if p > 2**22 - 4096:
        return -inverse(2**22 - p)
    return inverse((p >> 10 << 10) + 512)

def allowed(pair):
    return min(pair) <= 4 and max(pair) <= (48, 30, 12, 6, 5)[min(pair)]

def history_step(history, bit):
    same, other = history[bit] + 1, history[1 - bit]
    other = (0, 1, 2, 3, 4, 5, 5, 6, 6, 6)[other] if other < 10 else 7
    while not allowed((same, other)):
        if other == 0 or same > 1 and allowed((same - 1, other)):
            same -= 1
        else:
            other -= 1
    n0, n1 = (other, same) if bit else (same, other)
    if n0 == 0 or n1 == 0:
        return n0, n1, int(n1 > 0)
    return n0, n1, (2 * history[2] + bit) % 2**(n0 + n1) if n0 + n1 <= 4 else bit

def make_histories():
    """The states as (n0, n1, recent), and for each the two that follow it."""
    states, follows = [(0, 0, 0)], []
    for state in states:                    # grows while it is walked
        steps = [history_step(state, bit) for bit in (0, 1)]
        states += [step for step in steps if step not in states]
        follows.append([states.index(step) for step in steps])
    return states, follows

STATES, NEXT = make_histories()
WORTH = [n0 + n1 for n0, n1, _ in STATES]

# ---- 5.4 Counters ----------------------------------------------------------------------------
def update_entry(entries, k, bit):          # a map entry
    flip = U32 if bit else 0                # U32 ^ a is U32 - a
    a = entries[k] ^ flip
    entries[k] = a - (a >> 7) ^ flip

class Counter:
    def __init__(self, p, n):
        self.p, self.n = p, n
    def update(self, bit, limit):
        self.p += (((bit << 22) - self.p) >> 3) * (16384 // (2 * self.n + 3)) >> 10
        self.n += self.n < limit

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
        self.counters = {(b, misses, bit, bit_pos == 0):
                         Counter(abs((bit << 22) - 2**22 // (2 * b + 3)), 0)
                         for b in range(16) for misses in range(8) for bit in (0, 1)
                         for bit_pos in (0, 1)}

    def byte_begins(self, block):
        if not block:
            return
        pos, byte = len(block), block[-1]
        multiplier = 0x9E3779B1 << (63 + self.min_len) // self.min_len
        self.rolling = (self.rolling * multiplier + ((byte + 1) * 0x2F0B4C47 & U32)) & U64
        if self.expected:
            hit = byte == self.expected & 255
            self.misses = self.misses << 1 & 255 | (not hit)
            self.len = min(self.len + 1, 65535) if hit else 0
            self.ptr = 0 if self.misses == 255 else self.ptr + 1
        if pos >= self.min_len:
            h = self.rolling >> (64 - self.M)
            q, k = self.table[h], 0
            while k < min(q, 400) and block[q - 1 - k] == block[pos - 1 - k]:
                k += 1
            if self.len < 16 and k >= self.min_len and k > self.len:
                self.ptr, self.len, self.misses = q, k, 0
            self.table[h] = pos
        self.expected = 256 + block[self.ptr] if self.ptr else 0

    def choose(self, c0, bit_pos):          # the counter for this bit, or None
        if not self.expected or self.expected >> (8 - bit_pos) != c0:
            return None
        bit = self.expected >> (7 - bit_pos) & 1
        return self.counters[bucket(self.len), self.misses & 7, bit, bit_pos == 0]

# ---- 5 The predictor -------------------------------------------------------------------------
def dot_product(weights, inputs):
    dot = sum([(w >> 16) * x >> 7 for w, x in zip(weights, inputs)])
    return clamp(dot >> 5, LIMIT)

def train(weights, inputs, bit, p, rate):   # p: what these weights have predicted
    e = clamp((((bit << 22) - p) * rate + 2**17) >> 18, 32767)
    weights[:] = [w + x * e for w, x in zip(weights, inputs)]
    if max(weights) > 0x77FFFFFF or min(weights) < -0x77FFFFFF:
        weights[:] = [clamp(w, 0x77FFFFFF) for w in weights]

class Predictor:
    """predict() for each bit, and then learn(bit)."""
    def __init__(self, N, level):
        self.level = level
        most_lines, n_matches, most_M, self.S, self.A = LEVELS[level]
        self.c1 = self.c4 = self.c8 = self.field = self.first = self.field_hash = 0
        self.kinds = 255                    # as after four zeros
        self.word, self.line, self.after1, self.after2 = [0] * 4, [0] * 2, [0] * 256, [0] * 65536
        self.period, self.score, self.n_bits = 0, [0] * 4097, 0
        self.block, self.c0, self.bit_pos = bytearray(), 1, 0
        logarithm = max(10, (N - 1).bit_length())
        self.K, M = min(logarithm, 16), min(logarithm, most_M)
        self.matches = [Match(min_len, M) for min_len in (6, 20, 11)[:n_matches]]
        self.byte_begins()
        n, lanes = len(self.hash), len(self.hash) + 1
        self.n_lines = min(N * n // 12 + 256, most_lines)
        self.table = bytearray(64 * self.n_lines + 256)     # the lines, and order 0 after them
        self.slots = [0] * n                # where each begins in the table
        self.runs = [None] * n              # (place in the table, expected, index)
        start = [(((n1 * 16 + 6) << 22) // ((n0 + n1) * 16 + 12)) << 10 for n0, n1, _ in STATES]
        self.maps = [start[:] for _ in range(lanes)]
        start = [abs((e % 2 << 22) - 2**22 // (3 * (e // 2) + 2)) << 10 for e in range(32)]
        self.run_maps = [start[:] for _ in range(lanes if level > 1 else 0)]
        parts = (30,) if level == 1 else (180 // lanes, 0, 20 // lanes)
        start = [2**28 // 100 * part for part in parts for _ in range(lanes)]
        start += [2**28 // 100 * 25] * 2 * n_matches + [0]
        self.layer1 = [defaultdict(start.copy) for _ in range(self.S)]
        self.layer2 = [defaultdict(lambda: [2**28 // self.S] * self.S)
                       for _ in range(3 if level > 1 else 0)]
        self.stages = [defaultdict(lambda: [
            Counter(SQUASH[LIMIT + clamp((j - 16) * 256, LIMIT)], 60) for j in range(33)])
                       for _ in range(self.A)]
        self.find_slots()

    def above(self, k):                     # 5.6 up to find_period
        a = self.line[1] + len(self.block) - self.line[0] + k
        return self.block[a] if a < self.line[0] else 10

    def back(self, r, k):
        n = r * self.period + k
        return self.block[-n] if self.period and 1 <= n <= len(self.block) else 0

    def context_values(self):               # with their levels, in the order of the table
        c1, c4, c8, period, place = self.c1, self.c4, self.c8, self.period, self.place
        word, field, first, field_hash = self.word, self.field, self.first, self.field_hash
        above, back, (E0, M0, E1, M1) = self.above, self.back, self.expected[:4]
        followed1, followed2 = self.after1[c1], self.after2[c4 & 0xFFFF]
        neighbours = (H(back(1, 0) | back(2, 0) << 8 | c4 << 16, 1) if period < 3 else
                      H(back(1, 0) | c1 << 8, back(1, 1) | back(1, -1) << 8))
        pixels = back(1, 0) | (c4 & 15) << 8 | (back(1, -1) >> 6) << 13 | (back(1, 1) & 3) << 17
        return [
            (1, c1), (1, c4 & 0xFFFF), (1, c4 & 0xFFFFFF), (1, c4), (1, H(c4, c8 & 0xFFFF)),
            (1, H(word[0], c1)), (3, c4 & 0xFFFF00), (4, neighbours), (4, H(self.column, above(0))),
            (5, H(E0 | c1 << 16, bucket(M0))), (6, H(back(1, 0) | c1 << 8, period)),
            (5, H(back(1, 0) | back(2, 0) << 8, place)), (5, H(pixels, period)),
            (5, H(field_hash, field | first << 8)), (5, H(word[0], word[1])), (6, H(followed1, c1)),
            (6, H(c4, c8 & 0xFF)), (6, H(followed2 & 0xFFFF, c1)),
            (6, H(c1 + back(1, 0) - back(1, 1), period)), (6, H(above(0), c1 | above(1) << 8)),
            (7, H(word[0], word[2])), (7, c4 & 0xFF00FF), (7, c4 & 0xFFFFFF00),
            (7, H(H(word[0], word[1]), word[2])), (7, H(2 * back(1, 0) - back(2, 0), c1 >> 2)),
            (7, H(place, c1)), (8, H(field_hash, above(0) | field << 8 | 0x10000 * c1)),
            (8, H(word[1], c4 & 0xFFFF)), (8, H(c4, c8 & 0xFFFFFF)), (8, c4 >> 16),
            (8, H((c1 + back(1, 0)) >> 1, (c1 - back(1, 0)) >> 3 & 31)),
            (8, H(word[0], word[3] + 1)), (8, H(E0 | E1 << 16, bucket(M1))),
            (8, H(followed2 & 0xFFFFFF, c4 & 0xFFFF)), (8, H(first | (c4 & 0xFFFF) << 8, field)),
            (8, c4 & 0xFF00FFFF), (9, H(c4, c8)),
        ]

    def byte_begins(self):
        for match in self.matches:
            match.byte_begins(self.block)
        self.expected = [v for match in self.matches for v in (match.expected, match.len)] + [0, 0]
        self.column = min(len(self.block) - self.line[0], 255)
        self.place = len(self.block) % self.period if self.period else 0
        values = enumerate(self.context_values(), 1)
        self.hash = [H(value, k * 0x9E3779B1) for k, (of, value) in values if of <= self.level]

    def history(self, byte):
        pair = self.c4 & 0xFFFF
        self.after1[self.c1] = (self.after1[self.c1] << 8 | byte) & U32
        self.after2[pair] = (self.after2[pair] << 8 | byte) & U32
        self.c8, self.c4 = (self.c8 << 8 | self.c4 >> 24) & U32, (self.c4 << 8 | byte) & U32
        self.c1, self.kinds = byte, self.kinds >> 2 | kind(byte) << 6
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
            self.first = byte if pos - self.line[0] == 1 else self.first
            separator = byte in b" \t,;:|"
            self.field += separator
            self.field_hash = 0 if separator else H(self.field_hash, byte + 1)
        if self.level >= 3 and (pos == 8192 or pos % 16384 == 0):
            self.period = self.find_period()

    def find_period(self):
        begin, end = len(self.block) - 4095, len(self.block)
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

    def find_slots(self):                   # 5.5
        table = self.table
        for i, h in enumerate(self.hash):
            h = H(h, self.c0) if self.bit_pos == 4 else h
            line = 64 * (h * self.n_lines >> 32)
            check = (h & 0xFFFF or 1).to_bytes(2, "little")
            slots = (line, line + 21, line + 42)
            found = [slot for slot in slots if table[slot:slot + 2] == check]
            slot = found[0] if found else min(slots, key=lambda at: WORTH[table[at + 2]])
            if not found:
                table[slot:slot + 21] = check + bytes(19)
            self.slots[i] = slot
            if self.bit_pos == 0:
                byte, count = table[slot + 17], table[slot + 18]
                self.runs[i] = (slot + 17, 256 + byte if count else 0, min(count, 15))

    def learn_runs(self, byte):
        for at, _, _ in self.runs:
            count = self.table[at + 1] if self.table[at] == byte else 0
            self.table[at:at + 2] = byte, min(count + 1, 255)

    def predict(self):                      # 5.8
        c0, bit_pos = self.c0, self.bit_pos
        node = c0 if bit_pos < 4 else 2**(bit_pos - 4) + c0 % 2**(bit_pos - 4)
        self.nodes = [slot + 1 + node for slot in self.slots] + [64 * self.n_lines + c0]
        self.states = [self.table[at] for at in self.nodes]
        entries = [entries[state] for entries, state in zip(self.maps, self.states)]
        inputs = [stretch(a >> 10) for a in entries]
        self.run_entries = [2 * index + (expected >> (7 - bit_pos) & 1)
                            if expected >> (8 - bit_pos) == c0 else 0
                            for _, expected, index in self.runs] + [0]
        if self.level > 1:
            inputs += [(a - 2**31) >> 23 for a in entries]
            inputs += [stretch(runs[k] >> 10) for runs, k in zip(self.run_maps, self.run_entries)]
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
        rows = (c0, by_match, self.c1)
        self.rows2 = [weights[row] for weights, row in zip(self.layer2, rows)]
        self.u = [dot_product(weights, self.v) for weights in self.rows2]
        m = int(sum(self.u) / 3 if self.u else sum(self.v) / self.S)
        j, part = divmod(m + 4096, 256)
        self.noted, total = [], 0
        rows = (c0 + (256 if self.match_state else 0), H(self.c1, c0) >> (32 - self.K),
                H((self.c4 & 0xFFFF) + 256, c0) >> (32 - self.K),
                H((self.c4 & 0xFFFFFF) + 65792, c0) >> (32 - self.K))
        for stage, row in zip(self.stages, rows):
            low, high = stage[row][j:j + 2]
            total += (low.p * (256 - part) + high.p * part) >> 8
            self.noted.append(low if part < 128 else high)
        return max(1, min(total // self.A, 2**22 - 1))

    def learn(self, bit):                   # 5.9, and the rest of next(bit) of 5.2
        for weights, u in zip(self.rows2, self.u):
            train(weights, self.v, bit, SQUASH[LIMIT + u], 300)
        rate = 400 + 1000000 // (self.n_bits + 2000)
        for weights, v in zip(self.rows1, self.v):
            train(weights, self.inputs, bit, SQUASH[LIMIT + v], rate)
        self.n_bits = min(self.n_bits + 1, 2**24)
        for counter in self.noted:
            counter.update(bit, 255)
        for entries, at, state in zip(self.maps, self.nodes, self.states):
            update_entry(entries, state, bit)
            self.table[at] = NEXT[state][bit]
        for entries, k in zip(self.run_maps, self.run_entries):
            update_entry(entries, k, bit)
        for counter in filter(None, self.match_counters):
            counter.update(bit, 1023)
        self.c0, self.bit_pos = self.c0 * 2 + bit, self.bit_pos + 1
        if self.bit_pos == 8:
            byte = self.c0 & 255
            self.c0, self.bit_pos = 1, 0
            self.learn_runs(byte)
            self.history(byte)
            self.byte_begins()
        if self.bit_pos in (0, 4):
            self.find_slots()

# ---- 4 The range coder -----------------------------------------------------------------------
class RangeDecoder:
    def __init__(self, payload):
        self.payload, self.n_read = payload, 8
        self.range = U64
        self.code = int.from_bytes(payload[:8].ljust(8, b"\0"), "big")

    def bit(self, p):
        split = (self.range >> 22) * p
        bit = int(self.code < split)
        self.code -= 0 if bit else split
        self.range = split if bit else self.range - split
        while self.range < 2**56:
            byte = self.payload[self.n_read] if self.n_read < len(self.payload) else 0
            self.code, self.range = (self.code << 8 | byte) & U64, self.range << 8
            self.n_read += 1
        return bit

def decode_payload(payload, N, level):      # 3.2
    require(payload[-1:] != b"\0", "a payload ends in a zero")
    coder, predictor = RangeDecoder(payload), Predictor(N, level)
    for _ in range(8 * N):
        predictor.learn(coder.bit(predictor.predict()))
    require(coder.n_read >= len(payload), "a payload is longer than its content needs")
    return bytes(predictor.block)

# ---- 2, 3 The container ----------------------------------------------------------------------
class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        require(len(self.data) - self.at >= n, "the archive ends too early", "cut off")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        value = 0
        for k in range(10):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * k
            if byte < 128:
                break
        require(byte < 128 and (byte or k == 0) and value <= U64, "a number is not valid")
        return value

    def same(self, expected, what):
        require(self.take(len(expected)) == expected, f"{what} is wrong")

def read_frame(reader):                     # 2, 3.1, 3.3: the contents of its blocks
    start = reader.data[reader.at:reader.at + 5]
    require(start[:4] == b"\x9aAIZ"[:len(start)], "no frame begins where one should", "no archive")
    require(len(start) == 5, "the archive ends too early", "cut off")
    require(start[4] & 15 == 1, "the format version is not 1", "unknown")
    require(start[4] >> 4 == 0, "the frame header has an extension", "unknown")
    header = reader.take(8)
    require(reader.take(1)[0] == xxh32(0, header)[0], "a frame header's check is wrong")
    settings, level, block_size = header[4:], header[7] & 15, 2**(16 + (header[7] >> 4))
    require(1 <= level <= 9 and block_size <= 2**26, "a frame has no such level or block size")
    require(header[5:7] == b"\1\1", "the frame's method or its version is not known", "unknown")
    seed = int.from_bytes(settings, "little")
    contents, entries, last = [], [], False
    while not last:
        begin = reader.at
        if contents:
            reader.same(b"\x9aBK" + settings[3:] + frame_id, "a block's mark or id")
        flags = reader.take(1)[0]
        require(flags < 4, "a block has reserved flags")
        last, stored = bool(flags & 1), bool(flags & 2)
        if contents:
            require(reader.varint() == len(contents) < U64 // block_size,
                    "a block's number is wrong")
        n_content = reader.varint() if last else block_size
        require(n_content <= block_size and (n_content or not contents),
              "a block's content size is wrong")
        n_payload = n_content if stored else reader.varint()
        require(stored or n_payload < n_content, "a block's payload size is wrong")
        content_check = b"" if stored else reader.take(4)
        head = reader.data[begin:reader.at]
        check, payload = reader.take(4), reader.take(n_payload)
        require(check == xxh32(seed, head + payload), "a block's check is wrong")
        frame_id = frame_id if contents else check
        content = payload if stored else decode_payload(payload, n_content, level)
        require(stored or content_check == xxh32(0, content), "the check of a content is wrong")
        contents.append(content)
        entries.append(0 if stored else n_payload + 1)
    if len(contents) > 1:
        begin = reader.at
        reader.same(b"\x9aIXD" + frame_id, "the index's mark or id")
        for value in [len(contents), len(contents[-1])] + entries:
            require(reader.varint() == value, "the index does not agree with the blocks")
        reader.same(settings, "the index's settings")
        reader.same(xxh32(seed, reader.data[begin:reader.at]), "the index's check")
        reader.same((reader.at + 12 - begin).to_bytes(8, "little"), "the index's size")
        reader.same(b"DXI\x9a", "the index's end mark")
    return contents

def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: decode.py ARCHIVE [OUT]")
    try:
        with open(sys.argv[1], "rb") as file:
            reader, contents = Reader(file.read()), []
        require(reader.data, "the archive is empty", "cut off")
        while reader.at < len(reader.data):
            contents += read_frame(reader)
        with open(sys.argv[2] if len(sys.argv) == 3 else sys.stdout.fileno(), "wb") as file:
            file.write(b"".join(contents))
    except (Refused, OSError) as error:
        sys.exit(f"decode.py: {sys.argv[1]}: {error}.")

if __name__ == "__main__":
    main()
