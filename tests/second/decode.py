#!/usr/bin/env python3
"""decode.py ARCHIVE [OUT [DICTIONARY]]: decodes an aizip archive (to stdout by default).

A second decoder, written from docs/format.md alone. It is there to prove that document, and to be
read beside it: the section numbers below are the document's. It is slow (about 1 KB a second).
It gives out nothing of an archive that it refuses: one sentence on stderr, and exit code 1."""

import hashlib
import sys
from pathlib import Path
from bisect import bisect_right
from collections import defaultdict, namedtuple
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
    words = [int.from_bytes(data[k:k + 4], "little") for k in range(0, len(data) - 3, 4)]
    h = seed + P5
    if len(data) >= 16:
        lanes = [seed + P1 + P2, seed + P2, seed, seed - P1]
        for k in range(len(words) // 4 * 4):
            lanes[k % 4] = rotl(lanes[k % 4] + words[k] * P2, 13) * P1
        h = sum(rotl(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18)))
        words = words[len(words) // 4 * 4:]
    h += len(data)
    for word in words:
        h = rotl(h + word * P3, 17) * P4
    for byte in data[len(data) // 4 * 4:]:
        h = rotl(h + byte * P5, 11) * P1
    h &= U32
    h = (h ^ h >> 15) * P2 & U32
    h = (h ^ h >> 13) * P3 & U32
    return (h ^ h >> 16).to_bytes(4, "little")

# ---- 5.3 Tables ------------------------------------------------------------------------------
LIMIT = 3904                # stretched probabilities go from -LIMIT to LIMIT
def clamp(v, a):
    return -a if v < -a else a if v > a else v
def make_exact():
    table = [2**21] * (2 * LIMIT + 1)       # exact[x] is at LIMIT + x
    e = U64
    for x in range(1, LIMIT + 1):
        e = e * 0xFF007FD55FFDDE39 >> 64
        p = max(1, ((e >> 24) << 22) // (2**40 + (e >> 24)))
        table[LIMIT - x], table[LIMIT + x] = p, 2**22 - p
    return table
EXACT = make_exact()
def squash(x):
    return EXACT[LIMIT + (x + 2 >> 2) * 4]
def inverse(q):
    return max(bisect_right(EXACT, q) - 1, 0) - LIMIT
STRETCH12 = [inverse(i * 1024 + 512) for i in range(4096)]
def stretch(p):
    return inverse(p) if p < 4096 else -inverse(2**22 - p) if p > 2**22 - 4096 else STRETCH12[p >> 10]
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

# ---- 5.4 Cells -------------------------------------------------------------------------------
def update(cells, k, bit, shift):
    cells[k] += ((2**31 - 1 if bit else 0) - cells[k]) >> shift

# ---- 5.5 Hashing, 5.6 Contexts ---------------------------------------------------------------
def H(a, b):
    h = (a * 0x2C1B3C6D + b * 0x297A2D39 + 0x01234567) & U32
    h = (h ^ h >> 15) * 0x9E3779B1 & U32
    return h ^ h >> 13
def bucket(n):
    return (0 if n == 0 else 1 + n // 2 if n < 16 else 9 + (n - 16) // 4 if n < 32 else
            13 if n < 64 else 14 if n < 400 else 15)
# How many bytes of a UTF-8 character follow a byte that begins one; 0 for all other bytes.
UTF8_LEFT = bytes(194) + b"\1" * 30 + b"\2" * 16 + b"\3" * 5 + bytes(11)
# In their order: what each looks at in text, and elsewhere, if that is something else.
CONTEXTS = [names.split("/") for names in """
    o3/o2 o5/o3 w0/r_two o2/o4 o6/r_left column_above/s23 w01/r_pixels in_field/r_near expected
    w02/after_byte o4/r_plane after_pair above_two/r_slope s23/o6 after_byte/o5 s13 w012/s234
    field_above/r_place w1/r_mean o7/s34 w03/s124 expected_two after_three line_first o8""".split()]

# ---- 6 Levels --------------------------------------------------------------------------------
Level = namedtuple("Level", "contexts most_lines matches most_M S A inputs T sure_len")
LEVELS = [None] + [Level(*row) for row in (
    (3, 196608, 1, 18, 1, 0, 1, 5, 28), (4, 327680, 1, 20, 2, 1, 1, 3, 32),
    (6, 524288, 1, 20, 2, 2, 1, 3, 0), (9, 1048576, 2, 20, 3, 2, 2, 3, 0),
    (12, 1572864, 2, 20, 4, 2, 2, 3, 0), (14, 2097152, 2, 22, 6, 3, 3, 2, 0),
    (18, 3145728, 2, 22, 7, 4, 3, 1, 0), (24, 6291456, 3, 22, 8, 4, 3, 1, 0),
    (25, 10485760, 3, 22, 8, 4, 3, 1, 0))]

# ---- 5.7 Match models ------------------------------------------------------------------------
class Match:
    def __init__(self, min_len, M):
        self.min_len, self.M, self.table = min_len, M, [0] * 2**M
        self.ptr = self.len = self.misses = self.expected = self.rolling = self.pair = 0
        self.first = [2**22 - 2**22 // (2 * (k // 8) + 3) << 9 for k in range(16 * 8)]
        self.others = self.first[:]
    def input(self, c0, bit_pos):
        if self.expected >> (8 - bit_pos) != c0:        # as always if expected is 0
            return 0
        x = stretch((self.others if bit_pos else self.first)[self.pair] >> 9)
        return x if self.expected >> (7 - bit_pos) & 1 else -x
    def byte_ends(self, block):             # learn_matches, then find_matches
        pos, byte, others = len(block), block[-1], self.others
        if self.expected:
            n = 8 - (byte ^ self.expected & 255).bit_length()       # first bits that are equal
            update(self.first, self.pair, n > 0, 7)
            if n > 0:
                a = others[self.pair] + ((2**31 - 1 - others[self.pair]) >> 7) * (n - 1)
                others[self.pair] = a - (a >> 7) if n < 8 else a
            self.misses = self.misses << 1 & 255 | (n < 8)
            self.len = min(self.len + 1, 65535) if n == 8 else 0
            self.ptr = 0 if self.misses == 255 else self.ptr + 1
        multiplier = 0x9E3779B1 << (63 + self.min_len) // self.min_len
        self.rolling = (self.rolling * multiplier + ((byte + 1) * 0x2F0B4C47 & U32)) & U64
        if pos >= self.min_len:
            h = self.rolling >> (64 - self.M)
            q, k = self.table[h], 0
            while self.len < 16 and k < min(q, 400) and block[q - 1 - k] == block[pos - 1 - k]:
                k += 1
            if k >= self.min_len and k > self.len:
                self.ptr, self.len, self.misses = q, k, 0
            self.table[h] = pos
        self.expected = 256 + block[self.ptr] if self.ptr else 0
        self.pair = bucket(self.len) * 8 + (self.misses & 7)    # of the cells `first` and `others`

# ---- 5 The predictor -------------------------------------------------------------------------
def dot_product(weights, inputs):
    return clamp(sum([(w >> 16) * x >> 7 for w, x in zip(weights, inputs)]) >> 5, LIMIT)
def train(weights, inputs, bit, x, rate):   # x: what these weights have predicted, stretched
    e = ((((bit << 22) - squash(x)) >> 6) * rate + 2**11) >> 12
    weights[:] = [w + x * e for w, x in zip(weights, inputs)]
    if max(weights) > 0x77FFFFFF or min(weights) < -0x77FFFFFF:
        weights[:] = [clamp(w, 0x77FFFFFF) for w in weights]
class Predictor:
    def __init__(self, N, level, dictionary):
        D, N = len(dictionary), N + len(dictionary)                 # 5.11
        most_M = max(level.most_M, min((D - 1).bit_length(), 26)) if D else level.most_M
        self.c0 = self.bit_pos = self.c4 = self.c8 = self.field = self.field_hash = self.first = 0
        self.turn = self.rate = self.column = self.place = self.period = self.strange = self.utf8_left = 0
        self.level, self.block, self.score, self.kinds = level, bytearray(), [0] * 4097, 255
        self.word, self.line, self.after1, self.after2 = [0] * 4, [0] * 2, [0] * 256, [0] * 65536
        self.K, M = (min(max(10, (size - 1).bit_length()), most)
                     for size, most in ((N // 4, 16), (N, most_M)))
        self.matches = [Match(min_len, M) for min_len in (7, 14, 24)[:level.matches]]
        self.sure_counters = [(2**22 - 2**16, 0)] * 1024        # (p, n)
        n, lanes = level.contexts, level.contexts + 2
        self.n_lines = min((4 * N if D else N) * n // 12 + 256, level.most_lines)
        self.table = bytearray(64 * self.n_lines + 65536 + 256)     # after the lines: orders 1, 0
        # Of each context: its hash; where its slot's node 0 would be; its run's place, expected, index.
        self.hash, self.slots, self.runs = [0] * n, [0] * n, [(0, 0, 0)] * n
        start = [((n1 * 16 + 6) << 22) // ((n0 + n1) * 16 + 12) << 9 for n0, n1, _ in STATES]
        self.maps = [start[:] for _ in range(lanes)]
        start = [abs((e % 2 << 22) - 2**22 // (3 * (e // 2) + 2)) << 9 for e in range(32)]
        self.run_maps = [start[:] for _ in range(lanes if level.inputs == 3 else 0)]
        parts = (483183819 // lanes, 0, 53687091 // lanes)[:level.inputs]
        weights = [part for part in parts for _ in range(lanes)] + [67108864] * level.matches + [0]
        self.layer1 = [defaultdict(weights.copy) for _ in range(level.S)]
        self.layer2 = defaultdict(lambda: [2**28 // level.S] * level.S)
        stage = [squash(clamp(j * 256 - 3968, LIMIT)) << 9 for j in range(32)]
        self.stages, self.noted, self.origin = [defaultdict(stage.copy) for _ in range(level.A)], [], 0
        for byte in dictionary:
            self.decode_byte(Known(byte))
        self.origin = D
    def decode_byte(self, coder):           # 5.2
        first = self.matches[0]
        if 0 < self.level.sure_len <= first.len and self.sure(coder, first):
            byte = first.expected & 255
        else:
            self.byte_begins()
            while self.bit_pos < 8:
                if self.bit_pos in (0, 4):
                    self.find_slots()
                bit = coder.bit(self.predict())
                self.learn(bit)
                self.c0, self.bit_pos = self.c0 * 2 + bit, self.bit_pos + 1
            byte = self.c0 & 255
            self.learn_runs(byte)           # which only levels 6 to 9 use
        self.history(byte)
        for match in self.matches:          # of what history changes, they use the block only
            match.byte_ends(self.block)
    def sure(self, coder, match):           # 5.10, 5.4
        k = 256 * sum(match.len >= least for least in (48, 96, 400)) + (match.expected & 255)
        p, n = self.sure_counters[k]
        hit = coder.is_byte(match.expected & 255, max(p, 1))
        p += (((hit << 22) - p) >> 3) * (16384 // (2 * n + 3)) >> 10
        self.sure_counters[k] = p, min(n + 1, 1023)
        return hit
    def byte_begins(self):
        pos = len(self.block)
        self.column, self.place = min(pos - self.line[0], 255), pos % self.period if self.period else 0
        values, which = self.context_values(), -1 if self.strange >= 256 else 0
        self.hash = [H(values[names[which]], (k + 1) * 0x9E3779B1)
                     for k, names in enumerate(CONTEXTS[:self.level.contexts])]
        if (pos - self.origin) % 32 == 0:
            self.rate = 400 + 500000 // (pos - self.origin + 1000)
        self.turn = (self.turn + 1) % self.level.T
        self.c0, self.bit_pos = 1, 0
    def above(self, k):                     # 5.6 up to find_period
        a = self.line[1] + len(self.block) - self.line[0] + k
        return self.block[a] if a < self.line[0] else 10
    def back(self, r, k):
        n = r * self.period + k
        return self.block[-n] if self.period and 1 <= n <= len(self.block) else 0
    def context_values(self):
        c1, c4, c8, period, place = self.c4 & 255, self.c4, self.c8, self.period, self.place
        word, field, first, field_hash = self.word, self.field, self.first, self.field_hash
        above, back, after1, after2 = self.above, self.back, self.after1[c1], self.after2[c4 & 0xFFFF]
        E0, M0, E1, M1, *_ = [v for m in self.matches for v in (m.expected, m.len)] + [0, 0]
        return {
            "o2": c4 & 0xFFFF, "o3": c4 & 0xFFFFFF, "o4": c4, "o5": H(c4, c8 & 0xFF),
            "o6": H(c4, c8 & 0xFFFF), "o7": H(c4, c8 & 0xFFFFFF), "o8": H(c4, c8), "s23": c4 & 0xFFFF00,
            "s13": c4 & 0xFF00FF, "s234": c4 & 0xFFFFFF00, "s34": c4 >> 16, "s124": c4 & 0xFF00FFFF,
            "w0": H(word[0], c1), "w01": H(word[0], word[1]), "w02": H(word[0], word[2]),
            "w03": H(word[0], word[3] + 1), "w012": H(H(word[0], word[1]), word[2]),
            "w1": H(word[1], c4 & 0xFFFF), "column_above": H(self.column, above(0)),
            "above_two": H(above(0), c1 | above(1) << 8), "in_field": H(field_hash, field | first << 8),
            "field_above": H(field_hash, above(0) | field << 8 | 0x10000 * c1),
            "line_first": H(first | (c4 & 0xFFFF) << 8, field), "after_byte": H(after1, c1),
            "after_pair": H(after2 & 0xFFFF, c1), "after_three": H(after2 & 0xFFFFFF, c4 & 0xFFFF),
            "expected": H(E0 | c1 << 16, bucket(M0)), "expected_two": H(E0 | E1 << 16, bucket(M1)),
            "r_two": H(back(1, 0) | back(2, 0) << 8, place), "r_left": H(back(1, 0) | c1 << 8, period),
            "r_near": H(back(1, 0) | back(2, 0) << 8 | c4 << 16, 1) if period < 3 else
                      H(back(1, 0) | c1 << 8, back(1, 1) | back(1, -1) << 8),
            "r_place": H(place, c1), "r_plane": H(c1 + back(1, 0) - back(1, 1), period),
            "r_slope": H(2 * back(1, 0) - back(2, 0), c1 >> 2),
            "r_mean": H((c1 + back(1, 0)) >> 1, (c1 - back(1, 0)) >> 3 & 31),
            "r_pixels": H(back(1, 0) | (c4 & 15) << 8 | (back(1, -1) >> 6) << 13 | (back(1, 1) & 3) << 17,
                          period)}
    def is_odd(self, byte):                 # steps utf8_left, too
        left, self.utf8_left = self.utf8_left, UTF8_LEFT[byte]
        if 128 <= byte <= 191:
            self.utf8_left = max(left - 1, 0)
            return left == 0
        return left > 0 or byte < 32 and not 9 <= byte <= 13 or byte >= 192 and self.utf8_left == 0
    def history(self, byte):
        pair = self.c4 & 0xFFFF
        self.after1[pair & 255] = (self.after1[pair & 255] << 8 | byte) & U32
        self.after2[pair] = (self.after2[pair] << 8 | byte) & U32
        self.c8, self.c4 = (self.c8 << 8 | self.c4 >> 24) & U32, (self.c4 << 8 | byte) & U32
        self.block.append(byte)
        pos = len(self.block)
        self.strange = min(self.strange + 16, 512) if self.is_odd(byte) else max(self.strange - 1, 0)
        lower = byte + 32 if 65 <= byte <= 90 else byte
        kind = 0 if byte in b" \n" else 1 if 97 <= lower <= 122 else 2 if 48 <= byte <= 57 else 3
        self.kinds = self.kinds >> 2 | kind << 6
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
        if self.strange >= 256 and (pos == 8192 or pos % 16384 == 0):
            self.period = self.find_period()
    def find_period(self):
        # None, which equals no byte, where a byte is like the one before it.
        window = [None if a == b else b for a, b in zip(self.block[-4096:], self.block[-4095:])]
        score, best, best_score = self.score, 0, 0
        for p in range(2, 4097):
            score[p] += sum(map(eq, window, self.block[-4095 - p:-p])) - score[p] // 4
            if score[p] > best_score + best_score // 16:
                best, best_score = p, score[p]
        mean = sum(score) // 4095
        return best if best_score > mean + mean // 2 + 32 else 0
    def find_slots(self):                   # 5.5
        table, c0 = self.table, self.c0
        for i, h in enumerate(self.hash):
            check = h & 0xFFFF
            if self.bit_pos == 4:
                h = (h + (c0 >> 1) * 0x9E3779B1) & U32
                check = h & 0xFFFF ^ (c0 & 1) << 15
            line = 64 * (h * self.n_lines >> 32)
            checks = [table[line + 2 * k] | table[line + 2 * k + 1] << 8 for k in range(3)]
            worth = [WORTH[table[line + 6 + 16 * k]] for k in range(3)]
            k = checks.index(check) if check in checks else worth.index(min(worth))
            histories, run = line + 6 + 16 * k, line + 54 + 2 * k
            if check not in checks:
                table[line + 2 * k:line + 2 * k + 2] = check.to_bytes(2, "little")
                table[histories:histories + 15], table[run:run + 2] = bytes(15), bytes(2)
            self.slots[i] = histories - 1
            if self.bit_pos == 0:
                byte, count = table[run:run + 2]
                self.runs[i] = (run, 256 + byte if count else 0, min(count, 15))
    def learn_runs(self, byte):
        for at, _, _ in self.runs:
            count = self.table[at + 1] if self.table[at] == byte else 0
            self.table[at:at + 2] = byte, min(count + 1, 255)
    def predict(self):                      # 5.8
        c0, bit_pos, c1, c4 = self.c0, self.bit_pos, self.c4 & 255, self.c4
        node = c0 if bit_pos < 4 else 2**(bit_pos - 4) + c0 % 2**(bit_pos - 4)
        order1 = 64 * self.n_lines
        self.nodes = [slot + node for slot in self.slots] + [order1 + 256 * c1 + c0, order1 + 65536 + c0]
        self.states = [self.table[at] for at in self.nodes]
        cells = [cells[state] for cells, state in zip(self.maps, self.states)]
        inputs = [STRETCH12[a >> 19] for a in cells]
        if self.level.inputs >= 2:
            inputs += [(a - 2**30) >> 21 for a in cells]
        self.run_cells = [2 * index + (expected >> (7 - bit_pos) & 1)
                          if expected >> (8 - bit_pos) == c0 else 0
                          for _, expected, index in self.runs] + [0, 0]
        inputs += [STRETCH12[cells[k] >> 19] for cells, k in zip(self.run_maps, self.run_cells)]
        inputs += [match.input(c0, bit_pos) for match in self.matches]
        self.inputs = inputs + [256]
        first = self.matches[0]
        match_state = 1 + bucket(first.len) if first.expected >> (8 - bit_pos) == c0 else 0
        rows = (match_state * 8 + bit_pos, c0, c1, self.kinds * 8 + bit_pos,
                self.place & 255 if self.period else self.column, c4 >> 8 & 255,
                first.expected & 255, (self.field & 255) * 8 + bit_pos)
        self.rows1 = [weights[row] for weights, row in zip(self.layer1, rows)]
        self.v = [dot_product(weights, self.inputs) for weights in self.rows1]
        if self.level.A == 0:               # level 1, which has no second layer either
            return squash(self.v[0])
        self.m = dot_product(self.layer2[c0], self.v)
        j, part = divmod(self.m + 3968, 256)
        rows = (c0 + (256 if match_state else 0), H(c1, c0) >> (32 - self.K),
                H((c4 & 0xFFFF) + 256, c0) >> (32 - self.K),
                H((c4 & 0xFFFFFF) + 65792, c0) >> (32 - self.K))
        stages = [stage[row] for stage, row in zip(self.stages, rows)]
        self.noted = [(cells, j if part < 128 else j + 1) for cells in stages]
        q = sum(cells[j] * (256 - part) + cells[j + 1] * part for cells in stages) >> 17
        return (squash(self.m) + q // self.level.A + 1) // 2
    def learn(self, bit):                   # 5.9
        if self.level.A > 0:
            train(self.layer2[self.c0], self.v, bit, self.m, 150)
        for weights, v in zip(self.rows1, self.v):
            train(weights, self.inputs, bit, v, self.rate)
        for cells, k in self.noted:
            update(cells, k, bit, 6)
        maps, run_maps = list(zip(self.maps, self.states)), list(zip(self.run_maps, self.run_cells))
        for cells, k in maps[self.turn::self.level.T] + run_maps:
            update(cells, k, bit, 7)
        for at, state in zip(self.nodes, self.states):
            self.table[at] = NEXT[state][bit]

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

    def is_byte(self, expected, p):
        return self.bit(p)
class Known:                                # 5.11: takes the decoder's place in a dictionary
    def __init__(self, byte):
        self.byte, self.left = byte, 8
    def bit(self, p):
        self.left -= 1
        return self.byte >> self.left & 1
    def is_byte(self, expected, p):
        return int(self.byte == expected)
def decode_payload(payload, N, level, dictionary):      # 3.2
    require(payload[-1:] != b"\0", "a payload ends in a zero")
    coder, predictor = RangeDecoder(payload), Predictor(N, LEVELS[level], dictionary)
    while len(predictor.block) < len(dictionary) + N:
        predictor.decode_byte(coder)
    require(coder.n_read >= len(payload), "a payload is longer than its content needs")
    return bytes(predictor.block[len(dictionary):])
PRIMERS = ("prose.txt", "code.txt", "json.txt", "logs.txt", "messages.txt")

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
def read_dictionary(reader, seed, given):   # 2: the note, and the dictionary that it names
    begin = reader.at
    note = Reader(reader.take(reader.take(1)[0]))
    number = note.take(1)[0]
    reader.same(xxh32(seed, reader.data[begin:reader.at])[:1], "the check of the note of a dictionary")
    require(number <= len(PRIMERS), "a built-in dictionary is not known", "unknown")
    if number == 0:
        note.same(hashlib.sha256(given).digest()[:8], "the dictionary")
        require(note.varint() == len(given) <= 2**22, "this dictionary's size is not decoded here")
    require(note.at == len(note.data), "the note of a dictionary is too long")
    folder = Path(__file__).resolve().parent.parent.parent / "src/primers"
    return given if number == 0 else (folder / PRIMERS[number - 1]).read_bytes()

def read_frame(reader, given):              # 2, 3.1, 3.3: the contents of its blocks
    start = reader.data[reader.at:reader.at + 5]
    require(start[:4] == b"\x9aAIZ"[:len(start)], "no frame begins where one should", "no archive")
    require(len(start) == 5, "the archive ends too early", "cut off")
    require(start[4] & 15 == 1, "the format version is not 1", "unknown")
    require(start[4] >> 4 in (0, 2), "the frame header has an extension", "unknown")
    header = reader.take(8)
    require(reader.take(1)[0] == xxh32(0, header)[0], "a frame header's check is wrong")
    settings, level, block_size = header[4:], header[7] & 15, 2**(16 + (header[7] >> 4))
    require(1 <= level <= 9 and block_size <= 2**26, "a frame has no such level or block size")
    require(header[5:7] == b"\1\2", "the frame's method or its version is not known", "unknown")
    seed = int.from_bytes(settings, "little")
    dictionary = read_dictionary(reader, seed, given) if start[4] >> 4 else b""
    contents, entries, last = [], [], False
    while not last:
        begin = reader.at
        if contents:
            reader.same(b"\x9aBK" + settings[3:] + frame_id, "a block's mark or id")
        flags = reader.take(1)[0]
        require(flags < 4, "a block has reserved flags")
        last, stored = bool(flags & 1), bool(flags & 2)
        if contents:
            require(reader.varint() == len(contents) < U64 // block_size, "a block's number is wrong")
        n_content = reader.varint() if last else block_size
        require(n_content <= block_size and (n_content or not contents), "a block's content size is wrong")
        n_payload = n_content if stored else reader.varint()
        require(stored or n_payload < n_content, "a block's payload size is wrong")
        content_check = b"" if stored else reader.take(4)
        head = reader.data[begin:reader.at]
        check, payload = reader.take(4), reader.take(n_payload)
        require(check == xxh32(seed, head + payload), "a block's check is wrong")
        frame_id = frame_id if contents else check
        content = payload if stored else decode_payload(payload, n_content, level, dictionary)
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
    if len(sys.argv) not in (2, 3, 4):
        sys.exit("usage: decode.py ARCHIVE [OUT [DICTIONARY]]")
    given = Path(sys.argv[3]).read_bytes() if len(sys.argv) == 4 else b""
    try:
        with open(sys.argv[1], "rb") as file:
            reader, contents = Reader(file.read()), []
        require(reader.data, "the archive is empty", "cut off")
        while reader.at < len(reader.data):
            contents += read_frame(reader, given)
        with open(sys.argv[2] if len(sys.argv) > 2 else sys.stdout.fileno(), "wb") as file:
            file.write(b"".join(contents))
    except (Refused, OSError) as error:
        sys.exit(f"decode.py: {sys.argv[1]}: {error}.")

if __name__ == "__main__":
    main()
