/// Products of bf16 in f32: matrix tiles (AMX), vectors of pairs (AVX-512 BF16), or vectors of f32 on every other machine.
///
/// Tiles follow Intel's "Optimization Reference Manual" (chapter 20): two bands of 16 rows and two of 16 columns share
/// four tiles of sums, so that each tile that is read serves two products.
extension CProductPrelude {
  static let bf16 = tiles + pairs + plain

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
    // Asks for a quarter of what comes two steps later: a panel's lines come from the second-level cache, and so do those
    // on the left until they were read once.
    #define SWAGE_TILE_FETCH(QUARTER) \
      SWAGE_UNROLLED (int i = 0; i < 4; ++i) { \
        __builtin_prefetch(panel + (32 + (QUARTER) * 4 + i) * 64); \
        __builtin_prefetch(panel + (32 + (QUARTER) * 4 + i) * 64 + 32); \
        if (fetches_left && QUARTER < 2) { \
          __builtin_prefetch(left + 64 + ((QUARTER) * 8 + 2 * i) * left_stride); \
          __builtin_prefetch(left + 64 + ((QUARTER) * 8 + 2 * i + 1) * left_stride); \
        } \
        if (fetches_left && QUARTER >= 2 && bands == 2) { \
          __builtin_prefetch(left + 64 + ((QUARTER) * 8 + 2 * i) * left_stride); \
          __builtin_prefetch(left + 64 + ((QUARTER) * 8 + 2 * i + 1) * left_stride); \
        } \
      }

    // 32 terms of one or two bands.
    SWAGE_INLINE void swage_tile_step(
        const uint16_t *left, int64_t left_stride, const uint16_t *panel, const int bands, const int fetches_left) {
      SWAGE_TILE_LOAD(6, panel, 128);
      SWAGE_TILE_LOAD(4, left, left_stride * 2);
      SWAGE_TILE_FETCH(0)
      SWAGE_TILE_ADD(0, 4, 6);
      SWAGE_TILE_LOAD(7, panel + 32, 128);
      SWAGE_TILE_FETCH(1)
      SWAGE_TILE_ADD(1, 4, 7);
      if (bands == 2) SWAGE_TILE_LOAD(5, left + 16 * left_stride, left_stride * 2);
      SWAGE_TILE_FETCH(2)
      if (bands == 2) SWAGE_TILE_ADD(2, 5, 6);
      SWAGE_TILE_FETCH(3)
      if (bands == 2) SWAGE_TILE_ADD(3, 5, 7);
    }

    // Fewer than 32 terms: copies with zeros behind them.
    static __attribute__((noinline, unused)) void swage_tile_tail(
        const uint16_t *left, int64_t left_stride, const uint16_t *panel, int64_t terms, int64_t rows, const int bands) {
      uint16_t own[32 * 32] __attribute__((aligned(64))), lines[16 * 64] __attribute__((aligned(64)));
      __builtin_memset(own, 0, sizeof(own));
      __builtin_memset(lines, 0, sizeof(lines));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < terms; ++i) own[r * 32 + i] = left[r * left_stride + i];
      for (int64_t i = 0; i < (terms + 1) >> 1; ++i) __builtin_memcpy(lines + i * 64, panel + i * 64, 128);
      if (bands == 2) swage_tile_step(own, 32, lines, 2, 0);
      else swage_tile_step(own, 32, lines, 1, 0);
    }

    SWAGE_INLINE void swage_tile_block(
        float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, const uint16_t *panel, int64_t rows,
        int64_t depth, bool adds, const int bands, bool is_first) {
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
      int64_t i = 0;
      if (is_first)
        for (; i + 32 <= depth; i += 32) swage_tile_step(left + i, left_stride, panel + i * 32, bands, 1);
      else
        for (; i + 32 <= depth; i += 32) swage_tile_step(left + i, left_stride, panel + i * 32, bands, 0);
      if (i < depth) swage_tile_tail(left + i, left_stride, panel + i * 32, depth - i, rows, bands);
      SWAGE_TILE_STORE(0, to, to_stride * 4);
      SWAGE_TILE_STORE(1, to + 16, to_stride * 4);
      if (bands == 2) { SWAGE_TILE_STORE(2, below, to_stride * 4); SWAGE_TILE_STORE(3, below + 16, to_stride * 4); }
    }

    static __attribute__((noinline, unused)) void swage_product_bf16_32(
        float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, const uint16_t *panel,
        int64_t panel_size, int64_t panels, int64_t rows, int64_t depth, bool adds) {
      int64_t r = 0;
      for (; r + 32 <= rows; r += 32)
        for (int64_t p = 0; p < panels; ++p)
          swage_tile_block(to + r * to_stride + p * 32, to_stride, left + r * left_stride, left_stride,
                           panel + p * panel_size, 32, depth, adds, 2, p == 0);
      int64_t more = rows - r;
      if (more <= 0) return;
      to += r * to_stride;
      left += r * left_stride;
      swage_tiles_set(more < 16 ? (int)more : 16, more > 16 ? (int)more - 16 : 16);
      if (more > 16)
        for (int64_t p = 0; p < panels; ++p)
          swage_tile_block(to + p * 32, to_stride, left, left_stride, panel + p * panel_size, more, depth, adds, 2, false);
      else
        for (int64_t p = 0; p < panels; ++p)
          swage_tile_block(to + p * 32, to_stride, left, left_stride, panel + p * panel_size, more, depth, adds, 1, false);
      swage_tiles_begin();
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
          float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, const uint16_t *panel, \
          int64_t panel_size, int64_t panels, int64_t rows, int64_t depth, bool accumulates) { \
        int64_t blocks = (depth + 2 * SWAGE_TERMS - 1) / (2 * SWAGE_TERMS); \
        int64_t block = blocks > 0 ? ((depth + blocks - 1) / blocks + 1) & ~(int64_t)1 : 2; \
        for (int64_t p = 0; p < panels; ++p, to += COLUMNS, panel += panel_size) { \
          int64_t from = 0; \
          do { \
            int64_t terms = depth - from < block ? depth - from : block; \
            const uint16_t *own = panel + from * COLUMNS; \
            bool adds = accumulates || from != 0; \
            int64_t r = 0; \
            for (; r + SWAGE_TILE_ROWS <= rows; r += SWAGE_TILE_ROWS) \
              swage_pairs_##COLUMNS(to + r * to_stride, to_stride, left + r * left_stride + from, left_stride, own, \
                                    terms, adds, SWAGE_TILE_ROWS); \
            for (; r < rows; ++r) \
              swage_pairs_##COLUMNS(to + r * to_stride, to_stride, left + r * left_stride + from, left_stride, own, \
                                    terms, adds, 1); \
            from += block; \
          } while (from < depth); \
        } \
      }
    SWAGE_PAIRS(16)
    #if !defined(__AMX_BF16__)
    SWAGE_PAIRS(32)
    #endif

    """#
}
