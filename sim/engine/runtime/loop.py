"""Run loop of a compiled model, in the subset of Python that `compile.kernel` takes. Not executed.

A clock is ``next edge, half period, address, size, root``.
"""

from .names import *


def load(address, size):
    """Read 1, 2, 4 or 8 bytes."""
    if size == 1:
        return u8[address]
    if size == 2:
        return u16[address]
    if size == 4:
        return u32[address]
    return u64[address]


def event_room(length):
    """Take room in the event buffer."""
    at = u64[EVENTS]
    if at + length > EVENT_BYTES:
        u64[LOST] += 1
        return 0
    u64[EVENTS] = at + length
    return at


def settle():
    """Run all parts that are due. Parts make only later ones due."""
    word = 0
    while word < 8 * PART_WORDS:
        due = u64[DIRTY + word]
        while due != 0:
            u64[DIRTY + word] = due & (due - 1)
            u64[RAN + word] |= due & -due
            call(8 * word + ctz(due))
            due = u64[DIRTY + word]
        word += 8


def stage(word, last):
    """Sample the read ports that are due. What makes one due from here on is for its next edge."""
    while word < last:
        due = u64[WAITING + word]
        u64[WAITING + word] = 0
        u64[SAMPLED + word] = due
        while due != 0:
            call(u32[STAGE + 4 * (8 * word + ctz(due))])
            due &= due - 1
        word += 8


def commit(due_set, word, last):
    """Run the groups of clocked cells that are due."""
    while word < last:
        due = u64[due_set + word]
        u64[due_set + word] = 0
        u64[RAN_GROUPS + word] |= due
        while due != 0:
            call(GROUP_BASE + 8 * word + ctz(due))
            due &= due - 1
        word += 8


def step():
    """Carry out all clock edges, and settle. Return 1 when edges follow each other for ever."""
    rounds = 0
    settled = 0
    while 1:
        fired = 0
        for net in NETS:
            level = peek(net.address, net.size) >> net.bit & 1
            if level != u64[net.previous]:
                u64[net.previous] = level
                for edge in net.edges:
                    if level == edge.level:
                        fired |= 1 << edge.domain
                if net.has_reset and level == 1:
                    call(net.reset)
                    fired |= 1 << 63
        if fired == 0:
            if settled != 0:
                break
            settle()
            settled = 1
            if DERIVED:
                continue
            break
        rounds += 1
        if rounds > 1000:
            return 1
        for domain in DOMAINS:
            if fired & domain.mask != 0:
                if domain.has_reads:
                    stage(domain.first, domain.reads)
                if domain.has_events:
                    call(domain.events)
        for domain in DOMAINS:
            if fired & domain.mask != 0:
                if domain.has_reads:
                    commit(SAMPLED, domain.first, domain.reads)
                commit(WAITING, domain.reads, domain.last)
        settle()
        settled = 1
    return 0


def start():
    """Settle, and take the clocks as they are."""
    settle()
    for net in NETS:
        u64[net.previous] = peek(net.address, net.size) >> net.bit & 1


def touch(root):
    """Mark what depends on a value that was set from outside."""
    entry = u32[TOUCH_FIRST + 4 * root]
    last = u32[TOUCH_FIRST + 4 * root + 4]
    while entry < last:
        word = u64[TOUCH + 16 * entry]
        u64[word] |= u64[TOUCH + 8 + 16 * entry]
        entry += 1


def flush():
    """Take over the changes made by Python."""
    n = 0
    while n < u64[PENDING]:
        touch(u64[QUEUE + 8 * n])
        n += 1
    u64[PENDING] = 0
    if step() != 0:
        return UNSTABLE
    if u64[VCD] != 0:
        sample(u64[NOW])
    return 0


def run(limit):
    """Carry out clock events before ``limit`` until something needs Python. Return `Stop` bits."""
    failed = 0
    if u64[PENDING] != 0:
        failed = flush()
    if failed != 0:
        return UNSTABLE
    u64[HITS] = 0
    while 1:
        time = NEVER
        clock = CLOCK_TABLE
        last = CLOCK_TABLE + 40 * u64[CLOCKS]
        while clock < last:
            if u64[clock] < time:
                time = u64[clock]
            clock += 40
        if time >= limit:
            return 0
        u64[NOW] = time
        rose = 0
        fell = 0
        n = 0
        clock = CLOCK_TABLE
        while clock < last:
            if u64[clock] == time:
                u64[clock] = time + u64[clock + 8]
                level = load(u64[clock + 16], u64[clock + 24]) ^ 1
                if u64[clock + 24] == 1:
                    u8[u64[clock + 16]] = level
                else:
                    u64[u64[clock + 16]] = level
                if u64[clock + 32] != 0:
                    touch(u64[clock + 32] - 1)
                rose |= level << n
                fell |= (level ^ 1) << n
            n += 1
            clock += 40
        hits = 0
        before = 0
        watch = WATCH_TABLE
        last = WATCH_TABLE + 96 * u64[WATCHES]
        while watch < last:
            armed = u64[watch]
            if armed != 0:
                edges = rose if u64[watch + 16] != 0 else fell
                if edges >> u64[watch + 8] & 1 != 0:
                    if armed == 2:
                        u64[watch + 72] = 2
                    else:
                        if check(watch) != 0:
                            u64[watch] = armed & 2
                            u64[HIT_LIST + 8 * hits] = watch
                            hits += 1
                            before |= u64[watch + 88]
            watch += 96
        u64[HITS] = hits
        if before | u64[FORCE] != 0:
            return HIT | EARLY
        if step() != 0:
            return UNSTABLE
        if u64[VCD] != 0:
            sample(time)
        why = 0
        if hits != 0:
            why = HIT
        if u64[EVENTS] != 0:
            why |= EVENT
        if u64[VCD_LENGTH] > u64[VCD_ROOM]:
            why |= FULL
        if why != 0:
            return why
    return 0
