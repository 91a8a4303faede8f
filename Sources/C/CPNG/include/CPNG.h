// libpng without its longjmp: every call returns a status and leaves a message.
#pragma once
#include <stddef.h>
#include <stdint.h>

// A keyword and its value, both UTF-8, both ended by NUL.
typedef struct {
  char *keyword;
  char *value;
} swage_png_text;

// A picture of 8-bit RGB, rows without padding.
typedef struct {
  uint32_t width;
  uint32_t height;
  uint8_t *pixels;
  swage_png_text *texts;
  size_t text_count;
  // Why the last call failed; libpng's words.
  char message[200];
} swage_png_picture;

enum swage_png_status {
  SWAGE_PNG_DONE = 0,
  SWAGE_PNG_NOT_PNG = 1,
  SWAGE_PNG_DAMAGED = 2,
  // A side is above `side_limit`, or the pixels are above `pixel_limit`.
  SWAGE_PNG_TOO_LARGE = 3,
  SWAGE_PNG_NO_MEMORY = 4,
};

// Reads any PNG as 8-bit RGB: palettes and grey become RGB, 16 bits keep their high byte, alpha is dropped. Width and
// height are set also where the picture is too large. `swage_png_free` afterwards, whatever the status.
int swage_png_read(
    const uint8_t *bytes, size_t count, uint32_t side_limit, uint64_t pixel_limit, swage_png_picture *picture);

// Writes 8-bit RGB, with the texts in order: ASCII as tEXt, the rest as iTXt. The same picture and texts give the same
// bytes with the same libpng and zlib. `*bytes` is the caller's, for `free`.
int swage_png_write(swage_png_picture *picture, uint8_t **bytes, size_t *count);

void swage_png_free(swage_png_picture *picture);
