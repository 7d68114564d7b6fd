"""Filling free memory: on a pretend caching allocator with torch's rules, and on torch's own CPU memory."""

from __future__ import annotations

import random

import pytest

from kparity_nvidia import poisoning

KIB, MIB = 1 << 10, 1 << 20


class Block:
    """Given back when it is forgotten, as a tensor's memory is."""

    def __init__(self, allocator, segment, start, size):
        self.allocator, self.segment, self.start, self.size = allocator, segment, start, size

    def write(self, value):
        self.segment["bytes"][self.start // 512 : (self.start + self.size) // 512] = [value] * (self.size // 512)

    def values(self):
        return set(self.segment["bytes"][self.start // 512 : (self.start + self.size) // 512])

    def __del__(self):
        self.allocator.free(self)


class CachingAllocator:
    """Best fit within a pool, splitting and merging, as torch's; what was written is kept for every 512 bytes."""

    def __init__(self, limit=1 << 30):
        self.segments, self.limit = [], limit

    def snapshot(self):
        """In the form of `torch.cuda.memory_snapshot`."""
        return [
            {
                "device": 0,
                "stream": 0,
                "segment_pool_id": (0, 0),
                "segment_type": one["pool"],
                "blocks": [{"size": size, "state": "active_allocated" if used else "inactive"}
                           for _, size, used in one["blocks"]],
            }
            for one in self.segments
        ]  # fmt: skip

    @property
    def reserved(self):
        return sum(one["size"] for one in self.segments)

    def take(self, size):
        size = -(-size // 512) * 512
        pool = "small" if size <= MIB else "large"
        fitting = [
            (block[1], number, block[0])
            for number, one in enumerate(self.segments)
            for block in one["blocks"]
            if one["pool"] == pool and not block[2] and block[1] >= size
        ]
        if not fitting:
            room = 2 * MIB if pool == "small" else 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB
            if self.reserved + room > self.limit:
                return None
            blocks = [[0, room, False]]
            self.segments.append({"pool": pool, "size": room, "blocks": blocks, "bytes": ["stale"] * (room // 512)})
            return self.take(size)
        whole, number, start = min(fitting)
        blocks = self.segments[number]["blocks"]
        place = blocks.index([start, whole, False])
        split = whole - size >= 512 if pool == "small" else whole - size > MIB
        blocks[place : place + 1] = (
            [[start, size, True], [start + size, whole - size, False]] if split else [[start, whole, True]]
        )
        return Block(self, self.segments[number], start, size if split else whole)

    def filled(self, size):
        block = self.take(size)
        if block is not None:
            block.write("poison")
        return block

    def free(self, block):
        merged = []
        for start, size, used in block.segment["blocks"]:
            used = used and start != block.start
            if merged and not used and not merged[-1][2]:
                merged[-1][1] += size
            else:
                merged.append([start, size, used])
        block.segment["blocks"] = merged

    def poison(self, sizes):
        poisoning.fill(sizes, self.filled, lambda: poisoning.free_pieces(self.snapshot(), 0, 0))


SIZES = [100, 512, 700 * KIB, MIB, MIB + 512, 3 * MIB, 9 * MIB, 16 * MIB, 33 * MIB]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_allocated_before_every_free_byte_is_filled_and_what_is_in_use_is_not(seed):
    rng, allocator = random.Random(seed), CachingAllocator()
    held = [allocator.take(rng.choice(SIZES) + 512 * rng.randrange(64)) for _ in range(24)]
    for block in held:
        block.write("in use")
    rng.shuffle(held)
    del held[::2]
    del block
    before = allocator.reserved
    sizes = rng.choices(SIZES, k=2)
    allocator.poison(sizes)
    for segment in allocator.segments:
        for start, size, used in segment["blocks"]:
            values = set(segment["bytes"][start // 512 : (start + size) // 512])
            assert used or values == {"poison"}
    assert all(block.values() == {"in use"} for block in held)
    assert allocator.reserved - before <= sum(poisoning.COPIES * max(2 * size, 20 * MIB) for size in sizes)


@pytest.mark.parametrize("scratch", [[], [300 * KIB, 5 * MIB], [16 * MIB, 16 * MIB, 16 * MIB, 2 * MIB]])
@pytest.mark.parametrize("size", SIZES)
def test_the_next_allocation_is_filled_also_after_the_calls_own_scratch(size, scratch):
    allocator = CachingAllocator()
    answers = [allocator.take(size) for _ in range(6)]
    for answer in answers:
        answer.write("answer")
    del answers, answer
    allocator.poison([size])
    own = [allocator.take(one) for one in scratch]
    found = allocator.take(size)
    assert "answer" not in found.values()
    assert len(own) == len(scratch)


def test_filling_again_takes_no_more_memory():
    allocator = CachingAllocator()
    allocator.poison([16 * MIB, 300 * KIB])
    before = allocator.reserved
    for _ in range(3):
        allocator.poison([16 * MIB, 300 * KIB])
    assert allocator.reserved == before


def test_where_memory_ends_what_there_is_gets_filled():
    allocator = CachingAllocator(limit=40 * MIB)
    kept = allocator.take(16 * MIB)
    allocator.poison([16 * MIB])
    assert allocator.reserved <= 40 * MIB
    assert allocator.take(16 * MIB).values() == {"poison"}
    assert kept.values() == {"stale"}


def test_memory_of_other_streams_devices_and_pools_is_left_alone():
    segment = {"device": 0, "stream": 0, "segment_type": "large", "blocks": [{"size": 4 * MIB, "state": "inactive"}]}
    others = [{**segment, "device": 1}, {**segment, "stream": 7}, {**segment, "segment_pool_id": (0, 1)}]
    pending = {**segment, "blocks": [{"size": 4 * MIB, "state": "active_pending_free"}]}
    assert poisoning.free_pieces([*others, pending, segment], 0, 0) == [4 * MIB]
    whole = {**segment, "segment_type": "small", "blocks": [{"size": 2 * MIB, "state": "inactive"}]}
    odd = {**whole, "blocks": [{"size": MIB + 512, "state": "inactive"}]}
    assert poisoning.free_pieces([odd, whole], 0, 0) == [MIB, MIB, MIB, 512]


def test_torchs_memory_that_is_taken_next_on_a_cpu_holds_no_old_answer():
    torch = pytest.importorskip("torch")
    size = 64 * KIB  # below what the C library gives back to the system
    answers = [torch.full((size,), 7, dtype=torch.uint8) for _ in range(2)]
    del answers
    assert poisoning.poison(torch.device("cpu"), [size])
    found = torch.empty(size, dtype=torch.uint8)
    assert not (found[1024:-1024] == 7).all()  # the allocator may keep its own notes at the ends
