/// Products of unsigned bytes with signed ones, exact in i32: matrix tiles (AMX), sums of four terms at once (VNNI, NEON's
/// usdot), or of pairs of 16 bits (`pmaddwd`). `pmaddubsw`, which saturates, is not used.
extension CProductPrelude {
  static let bytes = quads + quadProducts

  // Adds four terms to each of a vector's sums: a line of the panel times the same four bytes of what is on the left.
  private static let quads = #"""

    #define SWAGE_QUAD_VECTORS(BYTES) \
      typedef int32_t swage_quad_sums __attribute__((vector_size(BYTES), aligned(4), may_alias)); \
      typedef int16_t swage_quad_halves __attribute__((vector_size(BYTES), may_alias)); \
      typedef uint32_t swage_quad_line __attribute__((vector_size(BYTES), aligned(1), may_alias));
    #if defined(__AVX512VNNI__)
    SWAGE_QUAD_VECTORS(64)
    SWAGE_INLINE swage_quad_sums swage_quad_add(swage_quad_sums sums, swage_quad_line line, uint32_t quad) {
      swage_quad_line all = quad - (swage_quad_line){0};
      __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(all), "v"(line));
      return sums;
    }
    #elif defined(__AVXVNNI__)
    SWAGE_QUAD_VECTORS(32)
    SWAGE_INLINE swage_quad_sums swage_quad_add(swage_quad_sums sums, swage_quad_line line, uint32_t quad) {
      swage_quad_line all = quad - (swage_quad_line){0};
      __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(all), "x"(line));
      return sums;
    }
    #elif defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)
    SWAGE_QUAD_VECTORS(16)
    SWAGE_INLINE swage_quad_sums swage_quad_add(swage_quad_sums sums, swage_quad_line line, uint32_t quad) {
      swage_quad_line all = quad - (swage_quad_line){0};
      __asm__("usdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(all), "w"(line));
      return sums;
    }
    #elif defined(__SSE2__)
    #if defined(__AVX512BW__)
    SWAGE_QUAD_VECTORS(64)
    #define SWAGE_QUAD_PAIRS __builtin_ia32_pmaddwd512
    #elif defined(__AVX2__)
    SWAGE_QUAD_VECTORS(32)
    #define SWAGE_QUAD_PAIRS __builtin_ia32_pmaddwd256
    #else
    SWAGE_QUAD_VECTORS(16)
    #define SWAGE_QUAD_PAIRS __builtin_ia32_pmaddwd128
    #endif
    SWAGE_INLINE swage_quad_sums swage_quad_add(swage_quad_sums sums, swage_quad_line line, uint32_t quad) {
      swage_quad_halves even = ((swage_quad_halves)line << 8) >> 8, odd = (swage_quad_halves)line >> 8;
      swage_quad_line first = (quad & 0x00ff00ffu) - (swage_quad_line){0};
      swage_quad_line second = (quad >> 8 & 0x00ff00ffu) - (swage_quad_line){0};
      return sums + (swage_quad_sums)SWAGE_QUAD_PAIRS(even, (swage_quad_halves)first)
          + (swage_quad_sums)SWAGE_QUAD_PAIRS(odd, (swage_quad_halves)second);
    }
    #else
    SWAGE_QUAD_VECTORS(16)
    SWAGE_INLINE swage_quad_sums swage_quad_add(swage_quad_sums sums, swage_quad_line line, uint32_t quad) {
      SWAGE_UNROLLED (int i = 0; i < 4; ++i)
        sums += ((swage_quad_sums)(line << (24 - 8 * i)) >> 24) * (int32_t)(quad >> 8 * i & 255);
      return sums;
    }
    #endif

    """#

  private static let quadProducts = #"""
    // Terms behind the last one count as zero.
    SWAGE_INLINE uint32_t swage_quad(const uint8_t *left, int64_t count) {
      uint32_t quad = 0;
      if (count >= 4) __builtin_memcpy(&quad, left, 4);
      else for (int64_t i = 0; i < count; ++i) quad |= (uint32_t)left[i] << 8 * i;
      return quad;
    }

    // Four terms of a tile, or the last `COUNT`.
    #define SWAGE_QUAD_TERM(COLUMNS, COUNT) \
      { \
        swage_quad_line line[3 * own]; \
        SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
          line[v] = *(const swage_quad_line *)(panel + v / own * panel_size + i * COLUMNS + v % own * lanes * 4); \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) { \
          uint32_t quad = swage_quad(left + r * left_stride + i, COUNT); \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) sums[r][v] = swage_quad_add(sums[r][v], line[v], quad); \
          SWAGE_PIN(sums[r]); \
        } \
      }

    #define SWAGE_QUADS(COLUMNS) \
      SWAGE_INLINE void swage_quads_##COLUMNS( \
          int32_t *to, int64_t to_stride, const uint8_t *left, int64_t left_stride, int64_t left_distance, \
          const int8_t *panel, int64_t panel_size, int64_t runs, int64_t depth, bool adds, const int beside, \
          const int rows) { \
        enum { lanes = sizeof(swage_quad_sums) / 4, own = COLUMNS / lanes }; \
        const int vectors = own * beside; \
        swage_quad_sums sums[SWAGE_TILE_ROWS][3 * own]; \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[r][v] = adds ? *(const swage_quad_sums *)(to + r * to_stride + v * lanes) : (swage_quad_sums){0}; \
        for (int64_t run = 0; run < runs; ++run, left += left_distance, panel += (depth + 3) / 4 * 4 * COLUMNS) { \
          int64_t i = 0; \
          for (; i + 4 <= depth; i += 4) SWAGE_QUAD_TERM(COLUMNS, 4) \
          if (i < depth) SWAGE_QUAD_TERM(COLUMNS, depth - i) \
        } \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_quad_sums *)(to + r * to_stride + v * lanes) = sums[r][v]; \
      } \
      /* One row: several panels side by side, so that more of them are on their way. */ \
      SWAGE_INLINE void swage_quads_line_##COLUMNS( \
          int32_t *to, const uint8_t *left, int64_t left_distance, const int8_t *panel, int64_t panel_size, int64_t runs, \
          int64_t depth, bool adds, const int panels) { \
        enum { lanes = sizeof(swage_quad_sums) / 4, vectors = COLUMNS / lanes }; \
        swage_quad_sums sums[4][vectors]; \
        SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[p][v] = adds ? *(const swage_quad_sums *)(to + p * COLUMNS + v * lanes) : (swage_quad_sums){0}; \
        for (int64_t run = 0; run < runs; ++run, left += left_distance, panel += (depth + 3) / 4 * 4 * COLUMNS) \
          for (int64_t i = 0; i < depth; i += 4) { \
            uint32_t quad = swage_quad(left + i, depth - i); \
            SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
              SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
                sums[p][v] = swage_quad_add( \
                    sums[p][v], *(const swage_quad_line *)(panel + p * panel_size + i * COLUMNS + v * lanes * 4), quad); \
          } \
        SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_quad_sums *)(to + p * COLUMNS + v * lanes) = sums[p][v]; \
      } \
      SWAGE_PANELS(swage_quad_panels_##COLUMNS, int32_t, uint8_t, int8_t, COLUMNS, 4, swage_quads_##COLUMNS, SWAGE_ASKS_NOT) \
      static __attribute__((noinline, unused)) void swage_quads_product_##COLUMNS( \
          int32_t *to, int64_t to_stride, const uint8_t *left, int64_t left_stride, int64_t left_distance, \
          const int8_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t groups, \
          int64_t group_distance, int64_t runs, int64_t depth, bool accumulates) { \
        if (rows == 1 && groups == 1) { \
          for (; panels >= 4; panels -= 4, to += 4 * COLUMNS, panel += 4 * panel_size) \
            swage_quads_line_##COLUMNS(to, left, left_distance, panel, panel_size, runs, depth, accumulates, 4); \
          for (; panels >= 2; panels -= 2, to += 2 * COLUMNS, panel += 2 * panel_size) \
            swage_quads_line_##COLUMNS(to, left, left_distance, panel, panel_size, runs, depth, accumulates, 2); \
        } \
        SWAGE_EACH_PANEL(COLUMNS, sizeof(swage_quad_sums) == 4 * COLUMNS, swage_quad_panels_##COLUMNS, to_stride, left, \
                         left_stride, left_distance, panel_size, rows, groups, group_distance, runs, depth, accumulates, false) \
      } \
      static __attribute__((noinline, unused)) void swage_product_u8_##COLUMNS( \
          int32_t *to, int64_t to_stride, const uint8_t *left, int64_t left_stride, int64_t left_distance, \
          const int8_t *panel, int64_t panel_size, int64_t panels, int64_t rows, int64_t groups, \
          int64_t group_distance, int64_t runs, int64_t depth, bool adds, bool asks) { \
        SWAGE_QUADS_ON_TILES(COLUMNS) \
        swage_quads_product_##COLUMNS(to, to_stride, left, left_stride, left_distance, panel, panel_size, panels, \
                                      rows, groups, group_distance, runs, depth, adds); \
      }
    // A few rows leave most of a tile empty.
    #if defined(SWAGE_TILES)
    #define SWAGE_QUADS_ON_TILES(COLUMNS) \
      if (COLUMNS == 32 && rows > 8) { \
        swage_tile_terms t = {(const char *)left, (const char *)panel, left_stride, left_distance, \
                              (depth + 3) / 4 * 128, runs, depth, panel_size}; \
        swage_tile_groups(to, to_stride, t, panels, rows, groups, group_distance, adds, asks, 1); \
        return; \
      }
    #else
    #define SWAGE_QUADS_ON_TILES(COLUMNS)
    #endif
    SWAGE_QUADS(16)
    SWAGE_QUADS(32)

    """#
}
