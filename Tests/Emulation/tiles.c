// Matrix tiles (AMX) on machines that have none: preloaded into a process, this library carries out each tile instruction
// that the processor refuses. Semantics, encodings and faults follow Intel's "64 and IA-32 Architectures Software
// Developer's Manual", volume 2, and the comments there on TDPBF16PS (subnormals are zeros, sums of even and of odd terms
// are added last). What would fault there ends the process here with a message.
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#include <pmmintrin.h>

enum { TILES = 8, ROWS = 16, LINE = 64 };

struct tile {
  int rows, bytes;
  uint8_t line[ROWS][LINE];
};
static __thread struct {
  bool set;
  struct tile tile[TILES];
} state __attribute__((tls_model("initial-exec")));

static void fault(const char *what) {
  static const char before[] = "tile instruction: ";
  ssize_t ignored = write(2, before, sizeof(before) - 1);
  ignored = write(2, what, strlen(what));
  ignored = write(2, "\n", 1);
  (void)ignored;
  abort();
}

// MARK: Instructions

static void configure(const uint8_t *from) {
  if (from[0] != 0 && from[0] != 1) fault("ldtilecfg: the palette is neither 0 nor 1");
  if (from[1] != 0) fault("ldtilecfg: the start row is not 0");
  for (int i = 2; i < 16; i++)
    if (from[i]) fault("ldtilecfg: a reserved byte is not 0");
  memset(&state, 0, sizeof(state));
  state.set = from[0] == 1;
  for (int t = 0; t < 16; t++) {
    uint16_t bytes;
    memcpy(&bytes, from + 16 + 2 * t, 2);
    uint8_t rows = from[48 + t];
    if (t >= TILES) {
      if (bytes || rows) fault("ldtilecfg: a tile that is not there has a size");
      continue;
    }
    if (bytes > LINE || rows > ROWS || (bytes == 0) != (rows == 0)) fault("ldtilecfg: a tile's size");
    state.tile[t].bytes = bytes;
    state.tile[t].rows = rows;
  }
}

static struct tile *tile(int index) {
  if (!state.set) fault("tiles are not configured");
  if (index >= TILES) fault("there are eight tiles");
  if (state.tile[index].rows == 0) fault("the tile has no size");
  return &state.tile[index];
}

static void clear(struct tile *t) { memset(t->line, 0, sizeof(t->line)); }

static void load(struct tile *t, const uint8_t *from, int64_t stride) {
  clear(t);
  for (int r = 0; r < t->rows; r++) memcpy(t->line[r], from + r * stride, (size_t)t->bytes);
}

static void store(const struct tile *t, uint8_t *to, int64_t stride) {
  for (int r = 0; r < t->rows; r++) memcpy(to + r * stride, t->line[r], (size_t)t->bytes);
}

static void check(const struct tile *c, const struct tile *a, const struct tile *b) {
  if (c == a || c == b || a == b) fault("a product's tiles are not three");
  if (c->bytes != b->bytes || c->rows != a->rows || a->bytes / 4 != b->rows)
    fault("the sizes of a product's tiles do not fit together");
}

// The product of two bf16 is exact in f32: multiplying and adding rounds once.
static void add_bf16(struct tile *c, const struct tile *a, const struct tile *b) {
  check(c, a, b);
  // The processor keeps the mode of the interrupted code, and sets it again: subnormals are zeros from here on.
  _mm_setcsr(0x1f80 | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  float right[ROWS][2][LINE / 4];
  int columns = c->bytes / 4, pairs = a->bytes / 4;
  for (int k = 0; k < pairs; k++)
    for (int n = 0; n < LINE / 4; n++) {
      uint32_t pair, odd;
      memcpy(&pair, &b->line[k][4 * n], 4);
      odd = pair & 0xffff0000;
      pair <<= 16;
      memcpy(&right[k][0][n], &pair, 4);
      memcpy(&right[k][1][n], &odd, 4);
    }
  for (int m = 0; m < c->rows; m++) {
    float even[LINE / 4] = {0}, odd[LINE / 4] = {0}, sums[LINE / 4];
    for (int k = 0; k < pairs; k++) {
      uint32_t pair, second;
      float left[2];
      memcpy(&pair, &a->line[m][4 * k], 4);
      second = pair & 0xffff0000;
      pair <<= 16;
      memcpy(&left[0], &pair, 4);
      memcpy(&left[1], &second, 4);
      for (int n = 0; n < LINE / 4; n++) {
        even[n] += left[0] * right[k][0][n];
        odd[n] += left[1] * right[k][1][n];
      }
    }
    memcpy(sums, c->line[m], sizeof(sums));
    for (int n = 0; n < columns; n++) sums[n] += even[n] + odd[n];
    memcpy(c->line[m], sums, (size_t)columns * 4);
  }
}

static void add_bytes(struct tile *c, const struct tile *a, const struct tile *b, bool signed_a, bool signed_b) {
  check(c, a, b);
  for (int m = 0; m < c->rows; m++) {
    uint32_t sums[LINE / 4];
    memcpy(sums, c->line[m], sizeof(sums));
    for (int k = 0; k < a->bytes; k++) {
      int left = signed_a ? (int8_t)a->line[m][k] : a->line[m][k];
      for (int n = 0; n < c->bytes / 4; n++) {
        uint8_t right = b->line[k / 4][4 * n + k % 4];
        sums[n] += (uint32_t)(left * (signed_b ? (int8_t)right : right));
      }
    }
    memcpy(c->line[m], sums, (size_t)c->bytes);
  }
}

// MARK: Decoding

static int64_t general_register(const ucontext_t *context, int number) {
  static const int places[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context->uc_mcontext.gregs[places[number]];
}

struct operand {
  uint8_t *address;
  int64_t stride;  // the index register, scaled: a tile's rows are so far apart
  const uint8_t *end;
};

// A memory operand that begins with the ModRM byte at `p`. `extend_base` and `extend_index` are 8 for R8 to R15.
static struct operand memory(
    const ucontext_t *context, const uint8_t *p, int extend_base, int extend_index, bool is_tile) {
  int mod = p[0] >> 6, rm = p[0] & 7;
  int64_t address = 0, index = 0;
  const uint8_t *next = p + 1;
  bool no_base = false;
  if (rm == 4) {
    int scale = next[0] >> 6, number = (next[0] >> 3 & 7) | extend_index, base = next[0] & 7;
    next++;
    if (number != 4) index = general_register(context, number) << scale;
    no_base = base == 5 && mod == 0;
    if (!no_base) address = general_register(context, base | extend_base);
  } else {
    if (is_tile) fault("a tile's memory operand has no SIB byte");
    no_base = rm == 5 && mod == 0;
    if (!no_base) address = general_register(context, rm | extend_base);
  }
  if (mod == 1) {
    address += (int8_t)next[0];
    next += 1;
  } else if (mod == 2 || no_base) {
    int32_t displacement;
    memcpy(&displacement, next, 4);
    next += 4;
    address += displacement;
    if (no_base && rm == 5) address += (int64_t)(intptr_t)next;
  }
  if (!is_tile) address += index;
  return (struct operand){(uint8_t *)address, index, next};
}

// Carries out the instruction at `p`, where it is one of tiles; returns where the next one begins.
static const uint8_t *carry_out(const ucontext_t *context, const uint8_t *p) {
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84) != 0) return NULL;
  int prefix = p[2] & 3, other = ~p[2] >> 3 & 15;
  int extend_base = p[1] & 0x20 ? 0 : 8, extend_index = p[1] & 0x40 ? 0 : 8;
  uint8_t operation = p[3], mod_rm = p[4];
  int number = mod_rm >> 3 & 7, rm = mod_rm & 7;
  bool in_registers = mod_rm >> 6 == 3;
  enum { NONE, P66, F3, F2 };
  if (operation == 0x49 && in_registers) {
    if (prefix == NONE && mod_rm == 0xc0) memset(&state, 0, sizeof(state));
    else if (prefix == F2 && rm == 0) clear(tile(number));
    else return NULL;
    return p + 5;
  }
  if (operation == 0x49 && prefix == NONE && number == 0) {
    struct operand operand = memory(context, p + 4, extend_base, extend_index, false);
    configure(operand.address);
    return operand.end;
  }
  if (operation == 0x4b && !in_registers) {
    struct operand operand = memory(context, p + 4, extend_base, extend_index, true);
    if (prefix == F3) store(tile(number), operand.address, operand.stride);
    else if (prefix == F2 || prefix == P66) load(tile(number), operand.address, operand.stride);
    else return NULL;
    return operand.end;
  }
  if (operation == 0x5c && in_registers && prefix == F3) {
    add_bf16(tile(number), tile(rm), tile(other));
    return p + 5;
  }
  if (operation == 0x5e && in_registers) {
    add_bytes(tile(number), tile(rm), tile(other), prefix == F2 || prefix == F3, prefix == F2 || prefix == P66);
    return p + 5;
  }
  return NULL;
}

// Where an instruction that asks for memory early ends: it has no effect here. NULL for all others.
static const uint8_t *past_prefetch(const ucontext_t *context, const uint8_t *p) {
  if ((p[0] & 0xf0) == 0x40) p++;
  if (p[0] != 0x0f || p[1] != 0x18 || p[2] >> 6 == 3) return NULL;
  return memory(context, p + 2, 0, 0, false).end;
}

static void refused(int number, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *machine = context;
  const uint8_t *next = carry_out(machine, (const uint8_t *)machine->uc_mcontext.gregs[REG_RIP]);
  if (!next) signal(number, SIG_DFL);  // the instruction comes again, and ends the process
  // Signals are dear: what follows is carried out as well, as far as it is of this kind.
  while (next) {
    machine->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
    const uint8_t *own = carry_out(machine, next);
    next = own ? own : past_prefetch(machine, next);
  }
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = refused;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, NULL);
}
#endif
