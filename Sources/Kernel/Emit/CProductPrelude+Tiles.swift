/// Products on matrix tiles (AMX): of bf16 in f32, and of unsigned and signed bytes in i32. A tile is 16 rows of 64 bytes,
/// whatever they hold; a panel's line has the terms of 64 bytes' four-byte columns beside each other.
///
/// Tiles follow the chapter on AMX of Intel's "64 and IA-32 Architectures Optimization Reference Manual": two bands of 16
/// rows and two of 16 columns share four tiles of sums, so that each tile that is read serves two products.
extension CProductPrelude {
  static let tiles = shapes + runs + blocks

  private static let shapes = #"""

    #if defined(__AMX_BF16__) && defined(__AMX_INT8__)
    #define SWAGE_TILES 1
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
    #define SWAGE_TILE_ADD(C, A, B) \
      do { \
        if (bytes) __asm__ volatile("tdpbusd %%tmm" #B ", %%tmm" #A ", %%tmm" #C : :); \
        else __asm__ volatile("tdpbf16ps %%tmm" #B ", %%tmm" #A ", %%tmm" #C : :); \
      } while (0)

    """#

  private static let runs = #"""
    // Asks for a quarter of what comes two steps later: a panel's lines are no nearer than the second-level cache, nor is
    // what is on the left when it is `new`. Where it `asks`, lines of a panel for later come to that cache.
    #define SWAGE_TILE_FETCH(QUARTER) \
      SWAGE_UNROLLED (int l = (QUARTER) * 4; l < (QUARTER) * 4 + 4; ++l) { \
        __builtin_prefetch(panel + i * 32 + (32 + l) * 128); \
        __builtin_prefetch(panel + i * 32 + (32 + l) * 128 + 64); \
        if (new && ((QUARTER) < 2 || bands == 2)) { \
          __builtin_prefetch(left + i + 128 + 2 * l * left_stride); \
          __builtin_prefetch(left + i + 128 + (2 * l + 1) * left_stride); \
        } \
        if (asks) { \
          __builtin_prefetch(panel + next + i * 32 + l * 128, 0, 2); \
          __builtin_prefetch(panel + next + i * 32 + l * 128 + 64, 0, 2); \
        } \
      }

    // Adds the terms of `whole` bytes, 64 at a time. Tiles for the next step are read as soon as their last product has
    // begun.
    SWAGE_INLINE void swage_tile_run(
        const char *left, int64_t left_stride, const char *panel, int64_t whole, int64_t next, const int bands,
        const int new, const int asks, const int bytes) {
      if (whole <= 0) return;
      const char *second = left + 16 * left_stride;
      SWAGE_TILE_LOAD(6, panel, 128);
      SWAGE_TILE_LOAD(4, left, left_stride);
      SWAGE_TILE_LOAD(7, panel + 64, 128);
      if (bands == 2) SWAGE_TILE_LOAD(5, second, left_stride);
      int64_t i = 0;
      for (; i + 64 < whole; i += 64) {
        SWAGE_TILE_ADD(0, 4, 6);
        SWAGE_TILE_FETCH(0)
        SWAGE_TILE_ADD(1, 4, 7);
        SWAGE_TILE_LOAD(4, left + i + 64, left_stride);
        SWAGE_TILE_FETCH(1)
        if (bands == 2) SWAGE_TILE_ADD(2, 5, 6);
        SWAGE_TILE_LOAD(6, panel + i * 32 + 2048, 128);
        SWAGE_TILE_FETCH(2)
        if (bands == 2) SWAGE_TILE_ADD(3, 5, 7);
        SWAGE_TILE_LOAD(7, panel + i * 32 + 2112, 128);
        if (bands == 2) SWAGE_TILE_LOAD(5, second + i + 64, left_stride);
        SWAGE_TILE_FETCH(3)
      }
      SWAGE_TILE_ADD(0, 4, 6);
      SWAGE_TILE_ADD(1, 4, 7);
      if (bands == 2) { SWAGE_TILE_ADD(2, 5, 6); SWAGE_TILE_ADD(3, 5, 7); }
    }

    // Adds the terms of fewer than 64 bytes: copies with zeros behind them.
    SWAGE_INLINE void swage_tile_tail(
        const char *left, int64_t left_stride, const char *panel, int64_t size, int64_t rows, const int bands,
        const int bytes) {
      char own[32 * 64] __attribute__((aligned(64))), lines[16 * 128] __attribute__((aligned(64)));
      __builtin_memset(own, 0, sizeof(own));
      __builtin_memset(lines, 0, sizeof(lines));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < size; ++i) own[r * 64 + i] = left[r * left_stride + i];
      for (int64_t i = 0; i < (size + 3) >> 2; ++i) __builtin_memcpy(lines + i * 128, panel + i * 128, 128);
      swage_tile_run(own, 64, lines, 64, 0, bands, 0, 0, bytes);
    }

    """#

  private static let blocks = #"""
    // Distances and sizes in bytes; `size` is that of a run of one row.
    typedef struct {
      const char *left, *panel;
      int64_t left_stride, left_distance, panel_distance, runs, size, panel_size, next;
    } swage_tile_terms;

    // Sums of a panel and up to two bands over runs of terms.
    SWAGE_INLINE void swage_tile_block(
        char *to, int64_t to_stride, const swage_tile_terms *t, int64_t rows, bool adds, const int bands, const int new,
        const int asks, const int bytes) {
      char *below = to + 16 * to_stride;
      if (adds) {
        SWAGE_TILE_LOAD(0, to, to_stride);
        SWAGE_TILE_LOAD(1, to + 64, to_stride);
        if (bands == 2) { SWAGE_TILE_LOAD(2, below, to_stride); SWAGE_TILE_LOAD(3, below + 64, to_stride); }
      } else {
        SWAGE_TILE_ZERO(0);
        SWAGE_TILE_ZERO(1);
        if (bands == 2) { SWAGE_TILE_ZERO(2); SWAGE_TILE_ZERO(3); }
      }
      int64_t whole = t->size & ~(int64_t)63;
      for (int64_t run = 0; run < t->runs; ++run) {
        const char *left = t->left + run * t->left_distance, *panel = t->panel + run * t->panel_distance;
        swage_tile_run(left, t->left_stride, panel, whole, t->next, bands, new, asks, bytes);
        if (whole != t->size)
          swage_tile_tail(left + whole, t->left_stride, panel + whole * 32, t->size - whole, rows, bands, bytes);
      }
      SWAGE_TILE_STORE(0, to, to_stride);
      SWAGE_TILE_STORE(1, to + 64, to_stride);
      if (bands == 2) { SWAGE_TILE_STORE(2, below, to_stride); SWAGE_TILE_STORE(3, below + 64, to_stride); }
    }

    // One block of rows and all panels.
    SWAGE_INLINE void swage_tile_panels(
        char *to, int64_t to_stride, swage_tile_terms t, int64_t panels, int64_t rows, bool adds, bool asks,
        const int bytes) {
      // A band pair that does not stay in the first-level cache comes anew for each panel.
      bool far = 32 * t.left_stride > 24 << 10;
      for (int64_t p = 0; p < panels; ++p, to += 128, t.panel += t.panel_size) {
        if (rows <= 16) swage_tile_block(to, to_stride, &t, rows, adds, 1, 0, 0, bytes);
        else if (asks) swage_tile_block(to, to_stride, &t, rows, adds, 2, 0, 1, bytes);
        else if (p == 0 || far) swage_tile_block(to, to_stride, &t, rows, adds, 2, 1, 0, bytes);
        else swage_tile_block(to, to_stride, &t, rows, adds, 2, 0, 0, bytes);
      }
    }

    SWAGE_INLINE void swage_tile_product(
        void *to, int64_t to_stride, const swage_tile_terms t, int64_t panels, int64_t rows, bool adds, bool asks,
        const int bytes) {
      // Runs that stay in the first-level cache are gone through for each panel, others one after the other.
      bool together = t.runs * 32 * t.left_stride <= 32 << 10;
      for (int64_t r = 0; r < rows; r += 32) {
        int64_t own = rows - r < 32 ? rows - r : 32;
        bool last = asks && r != 0 && r + 64 > rows && own == 32;
        if (own < 32) swage_tiles_set(own < 16 ? (int)own : 16, own > 16 ? (int)own - 16 : 16);
        for (int64_t run = 0; run < (together ? 1 : t.runs); ++run) {
          swage_tile_terms some = t;
          some.left += r * t.left_stride + run * t.left_distance;
          some.panel += run * t.panel_distance;
          some.runs = together ? t.runs : 1;
          some.next = panels * t.panel_size;
          swage_tile_panels(
              (char *)to + r * to_stride * 4, to_stride * 4, some, panels, own, adds || run != 0, last, bytes);
        }
        if (own < 32) swage_tiles_begin();
      }
    }

    SWAGE_INLINE void swage_tile_groups(
        void *to, int64_t to_stride, swage_tile_terms t, int64_t panels, int64_t rows, int64_t groups,
        int64_t group_distance, bool adds, bool asks, const int bytes) {
      for (int64_t group = 0; group < groups; ++group, t.left += group_distance)
        swage_tile_product((char *)to + group * rows * to_stride * 4, to_stride, t, panels, rows, adds, asks, bytes);
    }
    #else
    #define swage_tiles_begin() (void)0
    #define swage_tiles_end() (void)0
    #endif

    """#
}
