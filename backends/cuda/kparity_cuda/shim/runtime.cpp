// The threads of the CPU shim: fibers, barriers and the loop over blocks. Compiled once, linked to every kernel.
//
// A block's threads start in order on one stack; a thread that must wait leaves its stack and the next one starts on a
// fresh one. So a kernel without barriers is a plain loop, and one with barriers costs a switch for each wait.
#include "kparity_shim.h"
#undef asm
#undef __asm__
#include <sys/mman.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace kparity_shim {

// An odd number of pages, or all stacks compete for the same entries of the TLB.
constexpr size_t page_bytes = 4096, stack_bytes = 31 * page_bytes;
constexpr int most_threads = 1024;

// ------------------------------------------------------------------------------------------------ context switch
#if defined(__x86_64__)
using Context = void*;
extern "C" __attribute__((visibility("hidden"))) void kparity_switch(Context* from, Context* to);
__asm__(R"(
.text
kparity_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
inline void make_context(Context* context, char* top, void (*entry)()) {
    void** at = reinterpret_cast<void**>(top);
    *--at = nullptr;  // the entry's return address: it never returns; keeps the stack 16-byte aligned
    *--at = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--at = nullptr;
    *context = at;
}
#elif defined(__aarch64__)
using Context = void*;
extern "C" __attribute__((visibility("hidden"))) void kparity_switch(Context* from, Context* to);
__asm__(R"(
.text
kparity_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    ldr x9, [x1]
    mov sp, x9
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
)");
inline void make_context(Context* context, char* top, void (*entry)()) {
    void** at = reinterpret_cast<void**>(top) - 20;
    for (int i = 0; i < 20; ++i) at[i] = nullptr;
    at[11] = reinterpret_cast<void*>(entry);  // x30, where `ret` goes
    *context = at;
}
#else
using Context = ucontext_t;
inline void kparity_switch(Context* from, Context* to) { swapcontext(from, to); }
inline void make_context(Context* context, char* top, void (*entry)()) {
    getcontext(context);
    context->uc_stack.ss_sp = top - (stack_bytes - 2 * page_bytes);
    context->uc_stack.ss_size = stack_bytes - 2 * page_bytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
}
#endif

// ------------------------------------------------------------------------------------------------ scheduler
struct Lane {
    uint3 thread;
    int stack;
    unsigned mask;
    void* payload;
    Finish finish;
};

struct Warp {
    unsigned unstarted, ready, arrived, parked, alive;  // one bit for each lane
    Lane lanes[32];
};

alignas(128) unsigned char shared[shared_bytes];
uint3 thread, block;
dim3 block_extent, grid_extent;
int current_lane;

static Warp warps[most_threads / 32];
static Context contexts[most_threads], main_context;
static int idle[most_threads];  // stacks whose thread has returned
static int idle_count, stack_count, stack, warp_count, waiting, alive;
static int current_warp, tally;
static char* stacks;
static const char* failure;
static void (*body)(void**);
static void** arguments;

[[noreturn]] void fail(const char* message) {
    failure = message;
    kparity_switch(&contexts[stack], &main_context);
    __builtin_unreachable();
}

static uint3 place(unsigned linear) {
    if (block_extent.y * block_extent.z == 1) return {linear, 0, 0};
    return {linear % block_extent.x, linear / block_extent.x % block_extent.y,
            linear / (block_extent.x * block_extent.y)};
}

static void resume(int from, int to) {
    if (from == to) return;
    stack = to;
    kparity_switch(&contexts[from], &contexts[to]);
}

static void fiber();

// Find the next thing to do, near the current warp. True: a thread of `current_warp` is to be started on this stack.
// False: somebody else's stack was resumed, and control came back.
static bool next(int from, bool may_start_here) {
    for (int looked = 0; looked <= warp_count; ++looked) {
        Warp& warp = warps[current_warp];
        if (warp.unstarted) {
            if (may_start_here) return true;
            int to;
            if (idle_count) {
                to = idle[--idle_count];
            } else {
                to = stack_count++;
                char* base = stacks + to * stack_bytes;
                mprotect(base, page_bytes, PROT_NONE);
                // Different offsets within the page, or the tops of all stacks compete for the same cache lines.
                make_context(&contexts[to], base + stack_bytes - to % 16 * 256, fiber);
            }
            resume(from, to);
            return false;
        }
        if (warp.ready) {
            current_lane = __builtin_ctz(warp.ready);
            warp.ready &= warp.ready - 1;
            thread = warp.lanes[current_lane].thread;
            if (may_start_here) idle[idle_count++] = from;
            resume(from, warp.lanes[current_lane].stack);
            return false;
        }
        current_warp = current_warp + 1 < warp_count ? current_warp + 1 : 0;
    }
    if (alive) fail("deadlock: some threads wait at a barrier that the others never reach");
    idle[idle_count++] = from;
    kparity_switch(&contexts[from], &main_context);
    return false;
}

static void wait_here() {
    Lane& lane = warps[current_warp].lanes[current_lane];
    lane.thread = thread;
    lane.stack = stack;
    next(stack, false);
}

static bool complete(Warp& warp, unsigned mask) {
    unsigned group = mask & warp.alive;
    if ((warp.arrived & group) != group) return false;
    void* payloads[32];
    Finish finish = warp.lanes[__builtin_ctz(group)].finish;
    for (unsigned rest = group; rest; rest &= rest - 1) {
        const Lane& lane = warp.lanes[__builtin_ctz(rest)];
        if (lane.mask != mask || lane.finish != finish) fail("lanes of one warp meet in different warp operations");
        payloads[__builtin_ctz(rest)] = lane.payload;
    }
    finish(payloads, group);
    warp.arrived &= ~group;
    warp.ready |= group;
    return true;
}

void collective(unsigned mask, void* payload, Finish finish) {
    Warp& warp = warps[current_warp];
    unsigned bit = 1u << current_lane;
    if (!(mask & bit)) fail("a lane is missing from the mask of its own warp operation");
    Lane& lane = warp.lanes[current_lane];
    lane.mask = mask;
    lane.payload = payload;
    lane.finish = finish;
    warp.arrived |= bit;
    if (complete(warp, mask)) {
        warp.ready &= ~bit;
    } else {
        wait_here();
    }
}

static bool release() {
    if (waiting < alive) return false;
    for (int i = 0; i < warp_count; ++i) {
        warps[i].ready |= warps[i].parked;
        warps[i].parked = 0;
    }
    waiting = 0;
    return true;
}

void block_barrier() {
    Warp& warp = warps[current_warp];
    unsigned bit = 1u << current_lane;
    warp.parked |= bit;
    ++waiting;
    if (release()) {
        warp.ready &= ~bit;
    } else {
        wait_here();
    }
}

int block_count(bool predicate) {
    block_barrier();
    if (predicate) ++tally;
    block_barrier();
    int result = tally;
    block_barrier();
    tally = 0;
    return result;
}

static void leave() {
    Warp& warp = warps[current_warp];
    warp.alive &= ~(1u << current_lane);
    --alive;
    for (unsigned rest = warp.arrived; rest; rest &= warp.arrived & (rest - 1)) {
        complete(warp, warp.lanes[__builtin_ctz(rest)].mask);
    }
    if (waiting) release();
}

static void fiber() {
    for (;;) {
        int own = stack;
        if (!next(own, true)) continue;
        Warp& warp = warps[current_warp];
        current_lane = __builtin_ctz(warp.unstarted);
        warp.unstarted &= warp.unstarted - 1;
        thread = place(current_warp * 32 + current_lane);
        body(arguments);
        leave();
    }
}

const char* launch(dim3 grid, dim3 extent, void** values, void (*once)(void**)) {
    body = once;
    arguments = values;
    grid_extent = grid;
    block_extent = extent;
    tally = 0;
    failure = nullptr;
    int threads = extent.x * extent.y * extent.z;
    warp_count = (threads + 31) / 32;
    size_t reserved = stack_bytes * threads;
    stacks = static_cast<char*>(
        mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stacks == MAP_FAILED) return "no memory for the threads' stacks";
    idle_count = stack_count = 0;
    for (block.z = 0; block.z < grid.z; ++block.z) {
        for (block.y = 0; block.y < grid.y; ++block.y) {
            for (block.x = 0; block.x < grid.x; ++block.x) {
                for (int i = 0; i < warp_count; ++i) {
                    int lanes = min(32, threads - i * 32);
                    unsigned all = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
                    warps[i].unstarted = warps[i].alive = all;
                    warps[i].ready = warps[i].arrived = warps[i].parked = 0;
                }
                alive = threads;
                waiting = current_warp = 0;
                if (!stack_count) {
                    make_context(&contexts[0], stacks + stack_bytes, fiber);
                    idle[idle_count++] = 0;
                    stack_count = 1;
                }
                stack = idle[--idle_count];
                kparity_switch(&main_context, &contexts[stack]);
                if (failure) break;
            }
            if (failure) break;
        }
        if (failure) break;
    }
    munmap(stacks, reserved);
    return failure;
}

}  // namespace kparity_shim
