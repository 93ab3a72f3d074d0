#include "model_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A flatbuffer: tables point to tables, vectors and texts further on. Fields
// are known by their number in the schema of .tflite files.
struct file {
  const unsigned char *bytes;
  uint64_t size;
};

// What hangs on a table: vectors of tables, each with a shape of its own.
struct shape {
  struct {
    int field;
    const struct shape *items;  // NULL: bytes or numbers
    int width;                  // of an item of theirs
  } vectors[8];
  int count;
};

static const struct shape leaf = {.count = 0};
static const struct shape buffer = {{{0, NULL, 1}}, 1};
static const struct shape entry = {{{0, NULL, 1}}, 1};
static const struct shape tensor = {{{0, NULL, 4}, {3, NULL, 1}}, 2};
static const struct shape operator_of = {{{1, NULL, 4}, {2, NULL, 4}}, 2};
static const struct shape subgraph = {
    {{0, &tensor, 4}, {1, NULL, 4}, {2, NULL, 4}, {3, &operator_of, 4},
     {4, NULL, 1}}, 5};
static const struct shape named = {{{0, NULL, 1}}, 1};
static const struct shape signature = {
    {{0, &named, 4}, {1, &named, 4}, {2, NULL, 1}}, 3};
static const struct shape model = {
    {{1, &leaf, 4}, {2, &subgraph, 4}, {3, NULL, 1}, {4, &buffer, 4},
     {5, NULL, 4}, {6, &entry, 4}, {7, &signature, 4}}, 7};

static bool holds(const struct file *file, uint64_t at, uint64_t size) {
  return at <= file->size && size <= file->size - at;
}

static uint64_t number(const struct file *file, uint64_t at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | file->bytes[at + i];
  return value;
}

// Reads a table's list of fields; false where it is not in the file.
static bool open_table(const struct file *file, uint64_t at, uint64_t *fields,
                       uint64_t *length) {
  if (!holds(file, at, 4)) return false;
  int64_t back = (int32_t)number(file, at, 4);
  if (back > (int64_t)at) return false;
  *fields = (uint64_t)((int64_t)at - back);
  if (!holds(file, *fields, 4)) return false;
  *length = number(file, *fields, 2);
  return *length >= 4 && holds(file, *fields, *length) &&
         holds(file, at, number(file, *fields + 2, 2));
}

static bool is_whole(const struct file *file, uint64_t at,
                     const struct shape *shape) {
  uint64_t fields, length;
  if (!open_table(file, at, &fields, &length)) return false;
  for (int i = 0; i < shape->count; i++) {
    uint64_t place = 4 + 2 * (uint64_t)shape->vectors[i].field;
    if (place + 2 > length) continue;
    uint64_t offset = number(file, fields + place, 2);
    if (!offset) continue;
    uint64_t field = at + offset;
    if (!holds(file, field, 4)) return false;
    uint64_t start = field + number(file, field, 4);
    if (!holds(file, start, 4)) return false;
    uint64_t count = number(file, start, 4);
    if (!holds(file, start + 4, count * (uint64_t)shape->vectors[i].width)) {
      return false;
    }
    const struct shape *items = shape->vectors[i].items;
    for (uint64_t k = 0; items && k < count; k++) {
      uint64_t item = start + 4 + 4 * k;
      if (!is_whole(file, item + number(file, item, 4), items)) return false;
    }
  }
  return true;
}

static unsigned char *read_all(FILE *stream, uint64_t *size) {
  if (fseek(stream, 0, SEEK_END)) return NULL;
  long length = ftell(stream);
  if (length < 8 || fseek(stream, 0, SEEK_SET)) return NULL;
  unsigned char *bytes = claim((unsigned long)length, 1);
  *size = (uint64_t)length;
  if (fread(bytes, 1, (size_t)length, stream) == (size_t)length) return bytes;
  free(bytes);
  return NULL;
}

bool model_file_check(const char *path, struct failure *failure) {
  FILE *stream = fopen(path, "rb");
  if (!stream) return fail(failure, "%s: %s.", path, strerror(errno));
  struct file file = {NULL, 0};
  unsigned char *bytes = read_all(stream, &file.size);
  fclose(stream);
  if (!bytes || memcmp(bytes + 4, "TFL3", 4)) {
    free(bytes);
    return fail(failure, "%s is not a .tflite file.", path);
  }
  file.bytes = bytes;
  bool good = is_whole(&file, number(&file, 0, 4), &model);
  free(bytes);
  return good || fail(failure, "%s is a broken .tflite file (cut short?).",
                      path);
}
