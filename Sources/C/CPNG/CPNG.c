#include "CPNG.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// Chunks that libpng keeps, and bytes that one of them may take: texts of a picture are short.
enum { CHUNK_LIMIT = 1000, CHUNK_BYTES = 1 << 23 };

static void fail(png_structp png, png_const_charp message) {
  swage_png_picture *picture = png_get_error_ptr(png);
  strncpy(picture->message, message ? message : "", sizeof picture->message - 1);
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

// MARK: reading

typedef struct {
  const uint8_t *bytes;
  size_t count;
} source;

static void take(png_structp png, png_bytep to, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->count) png_error(png, "the file ends early");
  memcpy(to, from->bytes, count);
  from->bytes += count;
  from->count -= count;
}

static char *copy(const char *text) {
  size_t count = strlen(text) + 1;
  char *result = malloc(count);
  if (result) memcpy(result, text, count);
  return result;
}

static char *from_latin1(const char *text) {
  char *result = malloc(2 * strlen(text) + 1);
  if (!result) return NULL;
  char *end = result;
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c < 0x80) {
      *end++ = (char)*c;
    } else {
      *end++ = (char)(0xc0 | *c >> 6);
      *end++ = (char)(0x80 | (*c & 0x3f));
    }
  }
  *end = 0;
  return result;
}

static int keep_texts(png_structp png, png_infop info, swage_png_picture *picture) {
  png_textp texts = NULL;
  int count = 0;
  png_get_text(png, info, &texts, &count);
  if (count <= 0) return SWAGE_PNG_DONE;
  picture->texts = calloc((size_t)count, sizeof *picture->texts);
  if (!picture->texts) return SWAGE_PNG_NO_MEMORY;
  for (int i = 0; i < count; i++) {
    int international = texts[i].compression == PNG_ITXT_COMPRESSION_NONE ||
                        texts[i].compression == PNG_ITXT_COMPRESSION_zTXt;
    const char *value = texts[i].text ? texts[i].text : "";
    swage_png_text *text = &picture->texts[picture->text_count++];
    text->keyword = from_latin1(texts[i].key);
    text->value = international ? copy(value) : from_latin1(value);
    if (!text->keyword || !text->value) return SWAGE_PNG_NO_MEMORY;
  }
  return SWAGE_PNG_DONE;
}

int swage_png_read(
    const uint8_t *bytes, size_t count, uint32_t side_limit, uint64_t pixel_limit, swage_png_picture *picture) {
  memset(picture, 0, sizeof *picture);
  if (count < 8 || png_sig_cmp((png_bytep)bytes, 0, 8)) return SWAGE_PNG_NOT_PNG;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, picture, fail, ignore);
  if (!png) return SWAGE_PNG_NO_MEMORY;
  png_infop info = png_create_info_struct(png);
  png_bytep *volatile rows = NULL;
  volatile int status = SWAGE_PNG_DAMAGED;
  source from = {bytes, count};
  if (!info) {
    png_destroy_read_struct(&png, NULL, NULL);
    return SWAGE_PNG_NO_MEMORY;
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_read_fn(png, &from, take);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    // The sides are judged below, where they can be told.
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_cache_max(png, CHUNK_LIMIT);
    png_set_chunk_malloc_max(png, CHUNK_BYTES);
    png_read_info(png, info);
    picture->width = png_get_image_width(png, info);
    picture->height = png_get_image_height(png, info);
    uint64_t pixels = (uint64_t)picture->width * picture->height;
    if (picture->width > side_limit || picture->height > side_limit || pixels > pixel_limit) {
      status = SWAGE_PNG_TOO_LARGE;
    } else {
      png_set_expand(png);
      png_set_strip_16(png);
      png_set_strip_alpha(png);
      png_set_gray_to_rgb(png);
      png_set_interlace_handling(png);
      png_read_update_info(png, info);
      size_t row_bytes = 3 * (size_t)picture->width;
      if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "its pixels are of an unknown kind");
      picture->pixels = malloc(row_bytes * picture->height);
      rows = malloc(picture->height * sizeof *rows);
      if (!picture->pixels || !rows) {
        status = SWAGE_PNG_NO_MEMORY;
      } else {
        for (uint32_t y = 0; y < picture->height; y++) rows[y] = picture->pixels + y * row_bytes;
        png_read_image(png, rows);
        png_read_end(png, info);
        status = keep_texts(png, info, picture);
      }
    }
  }
  free(rows);
  png_destroy_read_struct(&png, &info, NULL);
  return status;
}

// MARK: writing

typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
} sink;

static void put(png_structp png, png_bytep from, size_t count) {
  sink *to = png_get_io_ptr(png);
  if (to->capacity - to->count < count) {
    size_t capacity = 2 * to->capacity + count + 4096;
    uint8_t *bytes = realloc(to->bytes, capacity);
    if (!bytes) png_error(png, "memory is short");
    to->bytes = bytes;
    to->capacity = capacity;
  }
  memcpy(to->bytes + to->count, from, count);
  to->count += count;
}

static void flush(png_structp png) { (void)png; }

static int is_ascii(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text >= 0x80) return 0;
  return 1;
}

int swage_png_write(swage_png_picture *picture, uint8_t **bytes, size_t *count) {
  *bytes = NULL;
  *count = 0;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, picture, fail, ignore);
  if (!png) return SWAGE_PNG_NO_MEMORY;
  png_infop info = png_create_info_struct(png);
  // Behind pointers that setjmp does not disturb: what they point at changes after it.
  sink *to = calloc(1, sizeof *to);
  png_text *texts = calloc(picture->text_count + 1, sizeof *texts);
  volatile int status = SWAGE_PNG_NO_MEMORY;
  if (info && to && texts && setjmp(png_jmpbuf(png)) == 0) {
    status = SWAGE_PNG_DAMAGED;
    for (size_t i = 0; i < picture->text_count; i++) {
      texts[i].compression =
          is_ascii(picture->texts[i].value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
      texts[i].key = picture->texts[i].keyword;
      texts[i].text = picture->texts[i].value;
    }
    png_set_write_fn(png, to, put, flush);
    png_set_IHDR(
        png, info, picture->width, picture->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (picture->text_count) png_set_text(png, info, texts, (int)picture->text_count);
    png_write_info(png, info);
    for (uint32_t y = 0; y < picture->height; y++)
      png_write_row(png, picture->pixels + 3 * (size_t)picture->width * y);
    png_write_end(png, info);
    status = SWAGE_PNG_DONE;
  }
  free(texts);
  png_destroy_write_struct(&png, &info);
  if (to && status == SWAGE_PNG_DONE) {
    *bytes = to->bytes;
    *count = to->count;
  } else if (to) {
    free(to->bytes);
  }
  free(to);
  return status;
}

void swage_png_free(swage_png_picture *picture) {
  free(picture->pixels);
  for (size_t i = 0; i < picture->text_count; i++) {
    free(picture->texts[i].keyword);
    free(picture->texts[i].value);
  }
  free(picture->texts);
  memset(picture, 0, sizeof *picture);
}
