/// Products of a few columns, in registers: the innermost part of matrix products, convolutions and attention.
///
/// A tile of results stays in registers while the terms go by, as Goto and van de Geijn describe ("Anatomy of
/// high-performance matrix multiplication", 2008): rows times vectors of columns, as many as there are registers beside
/// those for a line of the panel. Terms come in blocks whose panel stays in the first-level cache.
enum CProductPrelude {
  static let text = #"""

    #if defined(__AVX512F__)
    #define SWAGE_VECTOR_BYTES 64
    #define SWAGE_TILE_ROWS 12
    #elif defined(__AVX__)
    #define SWAGE_VECTOR_BYTES 32
    #define SWAGE_TILE_ROWS 6
    #elif defined(__aarch64__)
    #define SWAGE_VECTOR_BYTES 16
    #define SWAGE_TILE_ROWS 6
    #else
    #define SWAGE_VECTOR_BYTES 16
    #define SWAGE_TILE_ROWS 3
    #endif
    #define SWAGE_UNROLLED _Pragma("clang loop unroll(full)") for
    // The rows of a block, group by group: as few tiles as there can be, of about the same size, since small ones wait for
    // each addition.
    #define SWAGE_ROWS(TILE, LINES, COUNT, ASK) \
      case COUNT: \
        if (COUNT <= most) \
          TILE(to + (group * rows + r) * to_stride, to_stride, first + group * group_distance + r * left_stride + from, \
               left_stride, left_distance, LINES, panel_size, together, terms, adds, ASK(LINES, COUNT) beside, COUNT); \
        break;
    #define SWAGE_THREE_ROWS(TILE, LINES, ASK) \
      SWAGE_ROWS(TILE, LINES, 1, ASK) SWAGE_ROWS(TILE, LINES, 2, ASK) SWAGE_ROWS(TILE, LINES, 3, ASK)
    #if SWAGE_TILE_ROWS >= 6
    #define SWAGE_SIX_ROWS(TILE, LINES, ASK) \
      SWAGE_ROWS(TILE, LINES, 4, ASK) SWAGE_ROWS(TILE, LINES, 5, ASK) SWAGE_ROWS(TILE, LINES, 6, ASK)
    #else
    #define SWAGE_SIX_ROWS(TILE, LINES, ASK)
    #endif
    #if SWAGE_TILE_ROWS >= 12
    #define SWAGE_TWELVE_ROWS(TILE, LINES, ASK) \
      SWAGE_ROWS(TILE, LINES, 7, ASK) SWAGE_ROWS(TILE, LINES, 8, ASK) SWAGE_ROWS(TILE, LINES, 9, ASK) \
      SWAGE_ROWS(TILE, LINES, 10, ASK) SWAGE_ROWS(TILE, LINES, 11, ASK) SWAGE_ROWS(TILE, LINES, 12, ASK)
    #else
    #define SWAGE_TWELVE_ROWS(TILE, LINES, ASK)
    #endif
    #define SWAGE_EACH_ROWS(TILE, LINES, ASK) \
      for (int64_t group = 0; group < groups && rows > 0; ++group) { \
        const int64_t most = beside == 3 ? SWAGE_TILE_ROWS * 2 / 3 : SWAGE_TILE_ROWS; \
        int64_t tiles = (rows + most - 1) / most, least = rows / tiles, more = rows % tiles; \
        for (int64_t r = 0, t = 0, height; t < tiles; ++t, r += height) { \
          height = least + (t < more); \
          switch (height) { \
            SWAGE_THREE_ROWS(TILE, LINES, ASK) \
            SWAGE_SIX_ROWS(TILE, LINES, ASK) \
            SWAGE_TWELVE_ROWS(TILE, LINES, ASK) \
          } \
        } \
      }
    // Panels of one vector (of AVX-512) go side by side, two at a time and the last three of an odd number together: alone
    // they would read as often as they multiply.
    #define SWAGE_EACH_PANEL(COLUMNS, IS_NARROW, TAKE, ...) \
      if (SWAGE_TILE_ROWS >= 12 && (IS_NARROW)) { \
        for (; panels == 2 || panels > 3; panels -= 2, to += 2 * COLUMNS, panel += 2 * panel_size) \
          TAKE(to, panel, __VA_ARGS__, 2); \
        for (; panels == 3; panels = 0) TAKE(to, panel, __VA_ARGS__, 3); \
      } \
      for (; panels > 0; --panels, to += COLUMNS, panel += panel_size) TAKE(to, panel, __VA_ARGS__, 1);
    #define SWAGE_ASKS_NOT(LINES, COUNT)
    // Where panels may be far away, tiles ask for what comes later, four terms at a time. Zen 5 finds lines that follow each
    // other by itself, but not across pages: the first tile of a block asks for what comes 8 KiB later (77 and 154 rows of
    // 768x3072: 0.88 and 0.92 of the time without).
    #if defined(__znver5__)
    #define SWAGE_ASKS_NEXT(LINES, COUNT) \
      (const char *)(LINES) + 8192, asks && group + r == 0 ? 4 * bytes / (together * terms > 0 ? together * terms : 1) : 0,
    #else
    // What the next panel has in this place comes to the second-level cache meanwhile: each tile asks for its share of it.
    #define SWAGE_ASKS_NEXT(LINES, COUNT) \
      (const char *)(LINES + beside * panel_size) + (group * rows + r) * bytes / (groups * rows), \
          asks ? 4 * (COUNT) * bytes / (groups * rows * (together * terms > 0 ? together * terms : 1)) : 0,
    #endif
    // Terms of a block at most: the panel's part is 24 KiB on AVX2, 48 KiB on AVX-512.
    #define SWAGE_TERMS 384

    // The runs and blocks of terms of a few panels side by side, for elements of which `TOGETHER` terms lie beside each other.
    // Short runs go through a tile together.
    #define SWAGE_PANELS(NAME, SUMS, LEFT, PANEL, COLUMNS, TOGETHER, TILE, ASK) \
      SWAGE_INLINE void NAME( \
          SUMS *to, const PANEL *panel, int64_t to_stride, const LEFT *left, int64_t left_stride, \
          int64_t left_distance, int64_t panel_size, int64_t rows, int64_t groups, int64_t group_distance, \
          int64_t runs, int64_t depth, bool accumulates, bool asks, const int beside) { \
        int64_t blocks = (depth + TOGETHER * SWAGE_TERMS - 1) / (TOGETHER * SWAGE_TERMS); \
        int64_t block = blocks > 0 ? ((depth + blocks - 1) / blocks + TOGETHER - 1) / TOGETHER * TOGETHER : TOGETHER; \
        const int64_t whole = (depth + TOGETHER - 1) / TOGETHER * TOGETHER; \
        const int64_t most_runs = whole > 0 && blocks == 1 ? TOGETHER * SWAGE_TERMS / whole : 1; \
        for (int64_t run = 0, together; run < runs; run += together) { \
          together = runs - run < most_runs ? runs - run : most_runs; \
          const PANEL *lines = panel + run * whole * COLUMNS; \
          const LEFT *first = left + run * left_distance; \
          int64_t from = 0; \
          do { \
            int64_t terms = depth - from < block ? depth - from : block; \
            const PANEL *own = lines + from * COLUMNS; \
            __attribute__((unused)) int64_t bytes = together * terms * COLUMNS * (int64_t)sizeof(PANEL); \
            bool adds = accumulates || run != 0 || from != 0; \
            SWAGE_EACH_ROWS(TILE, own, ASK) \
            from += block; \
          } while (from < depth); \
        } \
      }

    // Sums that stay in their registers, row after row: clang 21 reads what later rows and terms need first, has no
    // registers left then, and spills (AVX-512: 26 vectors for 96 products; NEON).
    #if defined(__AVX512F__)
    #define SWAGE_PINNED "v"
    #elif defined(__x86_64__)
    #define SWAGE_PINNED "x"
    #elif defined(__aarch64__)
    #define SWAGE_PINNED "w"
    #endif
    #if defined(SWAGE_PINNED)
    #define SWAGE_PIN(SUMS) \
      SWAGE_UNROLLED (int v = 0; v < vectors; ++v) __asm__ volatile("" : "+" SWAGE_PINNED((SUMS)[v]))
    #else
    #define SWAGE_PIN(SUMS)
    #endif

    // One term of a tile. Four of them share the arithmetic of addresses, which would take turns with the products.
    #define SWAGE_TERM(NAME, COLUMNS, I) \
      { \
        swage_vector_##NAME line[3 * own]; \
        SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
          line[v] = *(const swage_vector_##NAME *)(panel + v / own * panel_size + (I) * COLUMNS + v % own * lanes); \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) { \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[r][v] = sums[r][v] + line[v] * left[r * left_stride + (I)]; \
          SWAGE_PIN(sums[r]); \
        } \
      }

    #define SWAGE_PRODUCT(T, NAME, COLUMNS) \
      typedef T swage_vector_##NAME __attribute__(( \
          vector_size(SWAGE_VECTOR_BYTES < COLUMNS * sizeof(T) ? SWAGE_VECTOR_BYTES : COLUMNS * sizeof(T)), \
          aligned(sizeof(T)), may_alias)); \
      SWAGE_INLINE void swage_tile_##NAME( \
          T *to, int64_t to_stride, const T *left, int64_t left_stride, int64_t left_distance, const T *panel, \
          int64_t panel_size, int64_t runs, int64_t depth, bool accumulates, const char *ask, int64_t step, \
          const int beside, const int rows) { \
        enum { lanes = sizeof(swage_vector_##NAME) / sizeof(T), own = COLUMNS / lanes }; \
        const int vectors = own * beside; \
        swage_vector_##NAME sums[SWAGE_TILE_ROWS][3 * own]; \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[r][v] = accumulates ? *(const swage_vector_##NAME *)(to + r * to_stride + v * lanes) \
                                     : (swage_vector_##NAME){0}; \
        for (int64_t run = 0; run < runs; ++run, left += left_distance, panel += depth * COLUMNS) { \
          int64_t i = 0; \
          for (; i + 4 <= depth; i += 4, ask += step) { \
            for (int64_t j = 0; j < step; j += 64) \
              for (int p = 0; p < beside; ++p) \
                __builtin_prefetch(ask + p * panel_size * (int64_t)sizeof(T) + j, 0, 2); \
            SWAGE_UNROLLED (int64_t j = i; j < i + 4; ++j) SWAGE_TERM(NAME, COLUMNS, j) \
          } \
          for (; i < depth; ++i) SWAGE_TERM(NAME, COLUMNS, i) \
        } \
        SWAGE_UNROLLED (int r = 0; r < rows; ++r) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_vector_##NAME *)(to + r * to_stride + v * lanes) = sums[r][v]; \
      } \
      /* One row: several panels side by side, so that additions need not wait for each other. */ \
      SWAGE_INLINE void swage_line_##NAME( \
          T *to, const T *left, int64_t left_distance, const T *panel, int64_t panel_size, int64_t runs, int64_t depth, \
          bool adds, const int panels) { \
        enum { lanes = sizeof(swage_vector_##NAME) / sizeof(T), vectors = COLUMNS / lanes }; \
        swage_vector_##NAME sums[4][vectors]; \
        SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            sums[p][v] = adds ? *(const swage_vector_##NAME *)(to + p * COLUMNS + v * lanes) : (swage_vector_##NAME){0}; \
        for (int64_t run = 0; run < runs; ++run, left += left_distance, panel += depth * COLUMNS) \
          for (int64_t i = 0; i < depth; ++i) \
            SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
              SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
                sums[p][v] = sums[p][v] \
                    + *(const swage_vector_##NAME *)(panel + p * panel_size + i * COLUMNS + v * lanes) * left[i]; \
        SWAGE_UNROLLED (int p = 0; p < panels; ++p) \
          SWAGE_UNROLLED (int v = 0; v < vectors; ++v) \
            *(swage_vector_##NAME *)(to + p * COLUMNS + v * lanes) = sums[p][v]; \
      } \
      SWAGE_PANELS(swage_panels_##NAME, T, T, T, COLUMNS, 1, swage_tile_##NAME, SWAGE_ASKS_NEXT) \
      static __attribute__((noinline, unused)) void swage_product_##NAME( \
          T *to, int64_t to_stride, const T *left, int64_t left_stride, int64_t left_distance, const T *panel, \
          int64_t panel_size, int64_t panels, int64_t rows, int64_t groups, int64_t group_distance, int64_t runs, \
          int64_t depth, bool accumulates, bool asks) { \
        if (rows == 1 && groups == 1) { \
          for (; panels >= 4; panels -= 4, to += 4 * COLUMNS, panel += 4 * panel_size) \
            swage_line_##NAME(to, left, left_distance, panel, panel_size, runs, depth, accumulates, 4); \
          for (; panels >= 2; panels -= 2, to += 2 * COLUMNS, panel += 2 * panel_size) \
            swage_line_##NAME(to, left, left_distance, panel, panel_size, runs, depth, accumulates, 2); \
        } \
        SWAGE_EACH_PANEL(COLUMNS, COLUMNS * sizeof(T) == SWAGE_VECTOR_BYTES, swage_panels_##NAME, to_stride, left, \
                         left_stride, left_distance, panel_size, rows, groups, group_distance, runs, depth, accumulates, asks) \
      }
    SWAGE_PRODUCT(float, f32_16, 16)
    SWAGE_PRODUCT(float, f32_32, 32)
    SWAGE_PRODUCT(double, f64_8, 8)
    SWAGE_PRODUCT(double, f64_16, 16)

    """#
}
