/// Products of bf16 in f32: matrix tiles (AMX), vectors of pairs (AVX-512 BF16), or vectors of f32 on every other machine.
extension CProductPrelude {
  static let bf16 = pairs + plain

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

    // One pair of terms of a tile, or the last one alone: `BYTES` of a row.
    #define SWAGE_PAIR_TERM(COLUMNS, I, BYTES) \
      { \
        swage_pair_line line[3 * own]; \
        SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
          line[v] = *(const swage_pair_line *)(panel + v / own * panel_size + (I) * COLUMNS + v % own * lanes * 2); \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) { \
          uint32_t pair = 0; \
          __builtin_memcpy(&pair, left + r * left_stride + (I), BYTES); \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) SWAGE_PAIR_ADD(sums[r][v], line[v], pair); \
          SWAGE_PIN(sums[r]); \
        } \
      }

    #define SWAGE_PAIRS(COLUMNS) \
      SWAGE_INLINE void swage_pairs_##COLUMNS( \
          float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, int64_t left_distance, \
          const uint16_t *panel, int64_t panel_size, int64_t runs, int64_t depth, bool adds, const int beside, \
          const int rows) { \
        enum { lanes = sizeof(swage_pair_sums) / 4, own = COLUMNS / lanes }; \
        const int vectors = own * beside; \
        swage_pair_sums sums[SWAGE_TILE_ROWS][3 * own]; \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[r][v] = adds ? *(const swage_pair_sums *)(to + r * to_stride + v * lanes) : (swage_pair_sums){0}; \
        for (int64_t run = 0; run < runs; ++run, left += left_distance, panel += (depth + 1) / 2 * 2 * COLUMNS) { \
          int64_t i = 0; \
          for (; i + 4 <= depth; i += 4) \
            SWAGE_UNROLLED (int64_t j = i; j < i + 4; j += 2) SWAGE_PAIR_TERM(COLUMNS, j, 4) \
          for (; i + 2 <= depth; i += 2) SWAGE_PAIR_TERM(COLUMNS, i, 4) \
          if (i < depth) SWAGE_PAIR_TERM(COLUMNS, i, 2) \
        } \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_pair_sums *)(to + r * to_stride + v * lanes) = sums[r][v]; \
      } \
      SWAGE_PANELS(swage_pair_panels_##COLUMNS, float, uint16_t, uint16_t, COLUMNS, 2, swage_pairs_##COLUMNS, SWAGE_ASKS_NOT) \
      static __attribute__((noinline, unused)) void swage_product_bf16_##COLUMNS( \
          float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, int64_t left_distance, \
          const uint16_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t groups, \
          int64_t group_distance, int64_t runs, int64_t depth, bool accumulates, bool asks) { \
        SWAGE_EACH_PANEL(COLUMNS, sizeof(swage_pair_sums) == 4 * COLUMNS, swage_pair_panels_##COLUMNS, to_stride, left, \
                         left_stride, left_distance, panel_size, rows, groups, group_distance, runs, depth, accumulates, asks) \
      }
    SWAGE_PAIRS(16)
    #if defined(SWAGE_TILES)
    static __attribute__((noinline, unused)) void swage_product_bf16_32(
        float *to, int64_t to_stride, const uint16_t *left, int64_t left_stride, int64_t left_distance,
        const uint16_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t groups, int64_t group_distance,
        int64_t runs, int64_t depth, bool adds, bool asks) {
      swage_tile_terms t = {(const char *)left, (const char *)panel, left_stride * 2, left_distance * 2,
                            (depth + 1) / 2 * 128, runs, depth * 2, panel_size * 2};
      swage_tile_groups(to, to_stride, t, panels, rows, groups, group_distance * 2, adds, asks, 0);
    }
    #else
    SWAGE_PAIRS(32)
    #endif

    """#
}
