/// Products of bf16 in f32: matrix tiles (AMX), vectors of pairs (AVX-512 BF16), or vectors of f32 on every other machine.
///
/// Tiles follow the chapter on AMX of Intel's "64 and IA-32 Architectures Optimization Reference Manual": two bands of 16
/// rows and two of 16 columns share four tiles of sums, so that each tile that is read serves two products.
extension CProductPrelude {
  static let bf16 = tiles + pairs + plain + rounding

  private static let tiles = #"""

    #if defined(__AMX_BF16__)
    typedef struct {
      uint8_t palette, start_row, reserved[14];
      uint16_t bytes[16];
      uint8_t rows[16];
    } swage_tile_shapes;
    // The first band's sums are in tiles 0 and 1 and its terms in 4, the second band's in 2, 3 and 5; columns are in 6, 7.
    static __attribute__((noinline, unused)) void swage_tiles_set(int first, int second) {
      swage_tile_shapes s;
      __builtin_memset(&s, 0, sizeof(s));
      s.palette = 1;
      for (int t = 0; t < 8; ++t) { s.bytes[t] = 64; s.rows[t] = 16; }
      s.rows[0] = s.rows[1] = s.rows[4] = (uint8_t)first;
      s.rows[2] = s.rows[3] = s.rows[5] = (uint8_t)second;
      __asm__ volatile("ldtilecfg %0" : : "m"(s) : "memory");
    }
    #define swage_tiles_begin() swage_tiles_set(16, 16)
    #define swage_tiles_end() __asm__ volatile("tilerelease" : : : "memory")
    #define SWAGE_TILE_LOAD(T, P, BYTES) \
      __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #T : : "r"(P), "r"((int64_t)(BYTES)) : "memory")
    #define SWAGE_TILE_STORE(T, P, BYTES) \
      __asm__ volatile("tilestored %%tmm" #T ", (%0,%1,1)" : : "r"(P), "r"((int64_t)(BYTES)) : "memory")
    #define SWAGE_TILE_ZERO(T) __asm__ volatile("tilezero %%tmm" #T : :)
    #define SWAGE_TILE_ADD(C, A, B) __asm__ volatile("tdpbf16ps %%tmm" #B ", %%tmm" #A ", %%tmm" #C : :)
    // Asks for a quarter of what comes two steps later: a panel's lines are no nearer than the second-level cache, nor is
    // what is on the left when it is `new`. Where it `asks`, lines of a panel for later come to that cache.
    #define SWAGE_TILE_FETCH(QUARTER) \
      SWAGE_UNROLLED (int l = (QUARTER) * 4; l < (QUARTER) * 4 + 4; ++l) { \
        __builtin_prefetch(panel + i * 32 + (32 + l) * 64); \
        __builtin_prefetch(panel + i * 32 + (32 + l) * 64 + 32); \
        if (new && ((QUARTER) < 2 || bands == 2)) { \
          __builtin_prefetch(left + i + 64 + 2 * l * left_stride); \
          __builtin_prefetch(left + i + 64 + (2 * l + 1) * left_stride); \
        } \
        if (asks) { \
          __builtin_prefetch(panel + next + i * 32 + l * 64, 0, 2); \
          __builtin_prefetch(panel + next + i * 32 + l * 64 + 32, 0, 2); \
        } \
      }

    // Adds `whole` terms, 32 at a time. Tiles for the next step are read as soon as their last product has begun.
    SWAGE_INLINE void swage_tile_run(
        const uint16_t *left, int64_t left_stride, const uint16_t *panel, int64_t whole, int64_t next, const int bands,
        const int new, const int asks) {
      if (whole <= 0) return;
      const uint16_t *second = left + 16 * left_stride;
      SWAGE_TILE_LOAD(6, panel, 128);
      SWAGE_TILE_LOAD(4, left, left_stride * 2);
      SWAGE_TILE_LOAD(7, panel + 32, 128);
      if (bands == 2) SWAGE_TILE_LOAD(5, second, left_stride * 2);
      int64_t i = 0;
      for (; i + 32 < whole; i += 32) {
        SWAGE_TILE_ADD(0, 4, 6);
        SWAGE_TILE_FETCH(0)
        SWAGE_TILE_ADD(1, 4, 7);
        SWAGE_TILE_LOAD(4, left + i + 32, left_stride * 2);
        SWAGE_TILE_FETCH(1)
        if (bands == 2) SWAGE_TILE_ADD(2, 5, 6);
        SWAGE_TILE_LOAD(6, panel + i * 32 + 1024, 128);
        SWAGE_TILE_FETCH(2)
        if (bands == 2) SWAGE_TILE_ADD(3, 5, 7);
        SWAGE_TILE_LOAD(7, panel + i * 32 + 1056, 128);
        if (bands == 2) SWAGE_TILE_LOAD(5, second + i + 32, left_stride * 2);
        SWAGE_TILE_FETCH(3)
      }
      SWAGE_TILE_ADD(0, 4, 6);
      SWAGE_TILE_ADD(1, 4, 7);
      if (bands == 2) { SWAGE_TILE_ADD(2, 5, 6); SWAGE_TILE_ADD(3, 5, 7); }
    }

    // Adds fewer than 32 terms: copies with zeros behind them.
    static __attribute__((noinline, unused)) void swage_tile_tail(
        const uint16_t *left, int64_t left_stride, const uint16_t *panel, int64_t terms, int64_t rows, const int bands) {
      uint16_t own[32 * 32] __attribute__((aligned(64))), lines[16 * 64] __attribute__((aligned(64)));
      __builtin_memset(own, 0, sizeof(own));
      __builtin_memset(lines, 0, sizeof(lines));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < terms; ++i) own[r * 32 + i] = left[r * left_stride + i];
      for (int64_t i = 0; i < (terms + 1) >> 1; ++i) __builtin_memcpy(lines + i * 64, panel + i * 64, 128);
      if (bands == 2) swage_tile_run(own, 32, lines, 32, 0, 2, 0, 0);
      else swage_tile_run(own, 32, lines, 32, 0, 1, 0, 0);
    }

    typedef struct {
      const uint16_t *left, *panel;
      int64_t left_stride, left_distance, panel_distance, runs, depth, next;
    } swage_tile_terms;

    // Sums of a panel and up to two bands over runs of terms.
    SWAGE_INLINE void swage_tile_block(
        float *to, int64_t to_stride, const swage_tile_terms *t, int64_t rows, bool adds, const int bands, const int new,
        const int asks) {
      float *below = to + 16 * to_stride;
      if (adds) {
        SWAGE_TILE_LOAD(0, to, to_stride * 4);
        SWAGE_TILE_LOAD(1, to + 16, to_stride * 4);
        if (bands == 2) { SWAGE_TILE_LOAD(2, below, to_stride * 4); SWAGE_TILE_LOAD(3, below + 16, to_stride * 4); }
      } else {
        SWAGE_TILE_ZERO(0);
        SWAGE_TILE_ZERO(1);
        if (bands == 2) { SWAGE_TILE_ZERO(2); SWAGE_TILE_ZERO(3); }
      }
      int64_t whole = t->depth & ~(int64_t)31;
      for (int64_t run = 0; run < t->runs; ++run) {
        const uint16_t *left = t->left + run * t->left_distance, *panel = t->panel + run * t->panel_distance;
        swage_tile_run(left, t->left_stride, panel, whole, t->next, bands, new, asks);
        if (whole != t->depth)
          swage_tile_tail(left + whole, t->left_stride, panel + whole * 32, t->depth - whole, rows, bands);
      }
      SWAGE_TILE_STORE(0, to, to_stride * 4);
      SWAGE_TILE_STORE(1, to + 16, to_stride * 4);
      if (bands == 2) { SWAGE_TILE_STORE(2, below, to_stride * 4); SWAGE_TILE_STORE(3, below + 16, to_stride * 4); }
    }

    // One block of rows and all panels.
    static __attribute__((noinline, unused)) void swage_tile_panels(
        float *to, int64_t to_stride, swage_tile_terms *t, int64_t panel_size, int64_t panels, int64_t rows, bool adds,
        bool asks) {
      const uint16_t *panel = t->panel;
      // A band pair that does not stay in the first-level cache comes anew for each panel.
      bool far = 32 * t->left_stride * 2 > 24 << 10;
      for (int64_t p = 0; p < panels; ++p, to += 32, panel += panel_size) {
        t->panel = panel;
        if (rows <= 16) swage_tile_block(to, to_stride, t, rows, adds, 1, 0, 0);
        else if (asks) swage_tile_block(to, to_stride, t, rows, adds, 2, 0, 1);
        else if (p == 0 || far) swage_tile_block(to, to_stride, t, rows, adds, 2, 1, 0);
        else swage_tile_block(to, to_stride, t, rows, adds, 2, 0, 0);
      }
    }

    static __attribute__((noinline, unused)) void swage_product_bf16_32(
        float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, int64_t left_distance,
        const uint16_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t runs, int64_t depth, bool adds,
        bool asks) {
      int64_t distance = (depth + 1) / 2 * 64;
      // Runs that stay in the first-level cache are gone through for each panel, others one after the other.
      bool together = runs * 32 * left_stride * 2 <= 32 << 10;
      for (int64_t r = 0; r < rows; r += 32) {
        int64_t own = rows - r < 32 ? rows - r : 32;
        bool last = asks && r != 0 && r + 64 > rows && own == 32;
        if (own < 32) swage_tiles_set(own < 16 ? (int)own : 16, own > 16 ? (int)own - 16 : 16);
        for (int64_t run = 0; run < (together ? 1 : runs); ++run) {
          swage_tile_terms t = {left + r * left_stride + run * left_distance, panel + run * distance, left_stride,
                                left_distance, distance, together ? runs : 1, depth, panels * panel_size};
          swage_tile_panels(to + r * to_stride, to_stride, &t, panel_size, panels, own, adds || run != 0, last);
        }
        if (own < 32) swage_tiles_begin();
      }
    }
    #else
    #define swage_tiles_begin() (void)0
    #define swage_tiles_end() (void)0
    #endif

    """#

  // Every term of a pair is multiplied and added in f32; the pair behind an odd last term ends in zero.
  private static let pairs = #"""

    #if defined(__AVX512BF16__)
    typedef float swage_pair_sums __attribute__((vector_size(64), aligned(4), may_alias));
    typedef uint32_t swage_pair_line __attribute__((vector_size(64), aligned(2), may_alias));
    #define SWAGE_PAIR_ADD(SUM, LINE, PAIR) \
      do { \
        swage_pair_line all = (PAIR) - (swage_pair_line){0}; \
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(SUM) : "v"(all), "v"(LINE)); \
      } while (0)
    #elif defined(__AVX__)
    typedef float swage_pair_sums __attribute__((vector_size(32), aligned(4), may_alias));
    typedef uint32_t swage_pair_line __attribute__((vector_size(32), aligned(2), may_alias));
    #else
    typedef float swage_pair_sums __attribute__((vector_size(16), aligned(4), may_alias));
    typedef uint32_t swage_pair_line __attribute__((vector_size(16), aligned(2), may_alias));
    #endif
    #ifndef SWAGE_PAIR_ADD
    #define SWAGE_PAIR_ADD(SUM, LINE, PAIR) \
      SUM = SUM + (swage_pair_sums)((LINE) << 16) * swage_float((PAIR) << 16) \
          + (swage_pair_sums)((LINE) & 0xffff0000u) * swage_float((PAIR) & 0xffff0000u)
    #endif

    """#

  private static let plain = #"""

    #define SWAGE_PAIRS(COLUMNS) \
      SWAGE_INLINE void swage_pairs_##COLUMNS( \
          float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, const uint16_t *panel, \
          int64_t depth, bool adds, const int rows) { \
        enum { lanes = sizeof(swage_pair_sums) / 4, vectors = COLUMNS / lanes }; \
        swage_pair_sums sums[SWAGE_TILE_ROWS][vectors]; \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[r][v] = adds ? *(const swage_pair_sums *)(to + r * to_stride + v * lanes) : (swage_pair_sums){0}; \
        for (int64_t i = 0; i < depth; i += 2) { \
          swage_pair_line line[vectors]; \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            line[v] = *(const swage_pair_line *)(panel + i * COLUMNS + v * lanes * 2); \
          SWAGE_UNROLLED (int r = 0; r < rows; ++r) { \
            uint32_t pair = left[r * left_stride + i]; \
            if (i + 1 < depth) __builtin_memcpy(&pair, left + r * left_stride + i, 4); \
            SWAGE_UNROLLED (int v = 0; v < vectors; ++v) SWAGE_PAIR_ADD(sums[r][v], line[v], pair); \
          } \
        } \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_pair_sums *)(to + r * to_stride + v * lanes) = sums[r][v]; \
      } \
      static __attribute__((noinline, unused)) void swage_product_bf16_##COLUMNS( \
          float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, int64_t left_distance, \
          const uint16_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t runs, int64_t depth, \
          bool accumulates, bool asks) { \
        int64_t blocks = (depth + 2 * SWAGE_TERMS - 1) / (2 * SWAGE_TERMS); \
        int64_t block = blocks > 0 ? ((depth + blocks - 1) / blocks + 1) & ~(int64_t)1 : 2; \
        for (int64_t p = 0; p < panels; ++p, to += COLUMNS, panel += panel_size) \
          for (int64_t run = 0; run < runs; ++run) { \
            const uint16_t *lines = panel + run * ((depth + 1) / 2 * 2 * COLUMNS), *first = left + run * left_distance; \
            int64_t from = 0; \
            do { \
              int64_t terms = depth - from < block ? depth - from : block; \
              bool adds = accumulates || run != 0 || from != 0; \
              int64_t r = 0; \
              for (; r + SWAGE_TILE_ROWS <= rows; r += SWAGE_TILE_ROWS) \
                swage_pairs_##COLUMNS(to + r * to_stride, to_stride, first + r * left_stride + from, left_stride, \
                                      lines + from * COLUMNS, terms, adds, SWAGE_TILE_ROWS); \
              for (; r < rows; ++r) \
                swage_pairs_##COLUMNS(to + r * to_stride, to_stride, first + r * left_stride + from, left_stride, \
                                      lines + from * COLUMNS, terms, adds, 1); \
              from += block; \
            } while (from < depth); \
          } \
      }
    SWAGE_PAIRS(16)
    #if !defined(__AMX_BF16__)
    SWAGE_PAIRS(32)
    #endif

    """#

  private static let rounding = #"""

    static __attribute__((noinline, unused)) void swage_round_bf16(uint16_t *to, const float *from, int64_t count) {
      int64_t i = 0;
    #if defined(__AVX512BF16__)
      typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));
      typedef uint16_t rounded __attribute__((vector_size(64), aligned(2), may_alias));
      for (; i + 32 <= count; i += 32) {
        vector low = *(const vector *)(from + i), high = *(const vector *)(from + i + 16), both;
        __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(both) : "v"(high), "v"(low));
        *(rounded *)(to + i) = (rounded)both;
      }
    #endif
      for (; i < count; ++i) to[i] = swage_to_bf16(from[i]);
    }

    """#
}
